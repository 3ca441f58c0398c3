import { describe, expect, test } from "vitest";
import { effectOf, faultSchema, faultSchemaOf } from "./faults.ts";

const FAULT = { id: "payments-down", kind: "error-burst", for_ms: 60_000 };

/** Each field that breaks a rule, with the rule. */
function problemsOf(fault: object, schema = faultSchema): string[] {
  const { error } = schema.safeParse(fault);
  return (error?.issues ?? []).map(({ path, message }) => `${path.join(".")} ${message}`);
}

test("a fault needs an id, a kind and a time; it hits every request of every route unless told otherwise", () => {
  expect(faultSchema.parse(FAULT)).toEqual({ ...FAULT, rate: 1 });
  expect(problemsOf({})).toEqual([
    expect.stringMatching(/^id must be 1 to 64 of/),
    "kind must be one of error-burst, slow, timeout, reset, rate-limit",
    "for_ms must be a whole number of ms from 1 to 86400000 (a day)",
  ]);
  expect(problemsOf([])).toEqual([" must be an object with id, kind and for_ms"]);
});

test.each([
  ["rate", 0],
  ["rate", 1.01],
  ["rate", "0.5"],
  ["for_ms", 0],
  ["for_ms", 86_400_001],
  ["for_ms", 1.5],
  ["id", ""],
  ["id", "a/b"],
  ["id", "a,b"],
  ["id", "x".repeat(65)],
  ["route", "/orders"],
  ["status", 404],
  ["burst_length", 0.5],
  ["seed", -1],
  ["run_id", ""],
])("%s may not be %j", (field, value) => {
  expect(problemsOf({ ...FAULT, [field]: value })).toEqual([
    expect.stringMatching(new RegExp(`^${field} must be `)),
  ]);
});

test("a field that no fault has is named together with those it has", () => {
  expect(problemsOf({ ...FAULT, burst: 3 })[0]).toMatch(
    /^ must not have burst; a fault has id, kind, .*burst_length/,
  );
});

test("a field of another kind is refused, not ignored", () => {
  expect(problemsOf({ ...FAULT, kind: "slow", status: 500, burst_length: 3 })).toEqual([
    "status is for error-burst only, not for slow",
    "burst_length is for error-burst only, not for slow",
  ]);
  expect(problemsOf({ ...FAULT, latency_median_ms: 5 })).toEqual([
    "latency_median_ms is for slow only, not for error-burst",
  ]);
});

test("a route that the server does not have is refused with those it has", () => {
  const schema = faultSchemaOf(["GET /users", "POST /orders"]);
  expect(problemsOf({ ...FAULT, route: "GET /users" }, schema)).toEqual([]);
  expect(problemsOf({ ...FAULT, route: "GET /user" }, schema)).toEqual([
    "route must be one of GET /users, POST /orders",
  ]);
});

describe("bursts", () => {
  test("may not be too short for the rate they shall add up to", () => {
    expect(problemsOf({ ...FAULT, rate: 0.9, burst_length: 8.9 })).toEqual([
      "burst_length must be at least 9, rate / (1 - rate): shorter bursts cannot add up to the rate 0.9",
    ]);
    for (const fits of [
      { rate: 0.9, burst_length: 9 },
      { rate: 0.5, burst_length: 1 },
      { rate: 1, burst_length: 1 },
    ]) {
      expect(problemsOf({ ...FAULT, ...fits })).toEqual([]);
    }
  });

  test("have five failures in the mean unless the rate needs more", () => {
    const lengthAt = (rate: number) => effectOf(faultSchema.parse({ ...FAULT, rate })).burst_length;
    expect([0.1, 0.8, 0.9].map(lengthAt)).toEqual([5, 5, 9]);
  });
});
