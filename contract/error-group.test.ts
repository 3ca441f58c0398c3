import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { fingerprint, isError, messagePattern, type ErrorGroup } from "./error-group.ts";
import { LEVELS } from "./request-log.ts";

const GROUP: ErrorGroup = {
  ...{ service: "orders", method: "GET", endpoint: "/orders/:id", status_code: 404 },
  ...{ error_type: "NotFound", message: "order # is not there" },
};

test.each([
  ["order 7333800 is not there", "order # is not there"],
  ["node 5f0e3c1a-6c3b-4a56-9f5e-5c5bb1f0a001 left", "node # left"],
  ["node 5F0E3C1A-6C3B-4A56-9F5E-5C5BB1F0A001 left", "node # left"],
  ["trace 4bf92f3577b34da6a3ce929d0e0e4736", "trace #"],
  ["took 12.5 ms, 3 times", "took #.# ms, # times"],
  ["bad face, dead beef", "bad face, dead beef"],
  ["deadbeef1", "deadbeef#"],
  ["٣ or ３ or ²", "٣ or ３ or ²"],
  ["$& \\1 $1", "$& \\# $#"],
  ["", ""],
  [null, null],
])("of %j the pattern is %j", (message, pattern) => {
  expect(messagePattern(message)).toBe(pattern);
});

test("a fingerprint is the first 16 digits of SHA-256 over the names, a missing one being empty", () => {
  const digest = createHash("sha256")
    .update("orders\0GET\0/orders/:id\x00404\0NotFound\0order # is not there")
    .digest("hex");
  expect(fingerprint(GROUP)).toBe(digest.slice(0, 16));
  expect(fingerprint({ ...GROUP, message: null })).toBe(fingerprint({ ...GROUP, message: "" }));
});

test("groups differ in each of their names, and in case", () => {
  const groups: ErrorGroup[] = [
    GROUP,
    { ...GROUP, service: "Orders" },
    { ...GROUP, method: "PUT" },
    { ...GROUP, endpoint: "/orders" },
    { ...GROUP, status_code: 410 },
    { ...GROUP, error_type: null },
    { ...GROUP, message: "Order # is not there" },
    { ...GROUP, error_type: "", message: "NotFound\0order # is not there" },
  ];
  expect(new Set(groups.map(fingerprint)).size).toBe(groups.length);
});

test("what failed is an ERROR or CRITICAL", () => {
  expect(LEVELS.filter(isError)).toEqual(["ERROR", "CRITICAL"]);
});
