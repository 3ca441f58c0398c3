import { expect, test } from "vitest";
import { didYouMean } from "./did-you-mean.ts";

test.each([
  ["shoppers", "shopper", " (did you mean shopper?)"],
  ["constant-vu", "constant-vus", " (did you mean constant-vus?)"],
  ["DURATION", "duration", " (did you mean duration?)"],
  ["rtae", "rate", " (did you mean rate?)"],
  ["speed", "rate", ""],
  ["x", "rate", ""],
])("%s for %s", (word, candidate, hint) => {
  expect(didYouMean(word, ["something", candidate, "else"])).toBe(hint);
});
