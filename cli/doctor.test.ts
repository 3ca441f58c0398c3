import { expect, test } from "vitest";
import { checkNode } from "./doctor.ts";

test.each([
  ["22.17.1", "bad"],
  ["20.20.2", "bad"],
  ["22.18.0", "good"],
  ["24.21.0", "good"],
])("Node %s is %s: types are stripped from 22.18 on", (version, verdict) => {
  expect(checkNode(version).verdict).toBe(verdict);
});
