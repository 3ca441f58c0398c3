import { expect, test } from "vitest";
import { get } from "../journeys/journey.ts";
import type { Journey } from "../journeys/journey.ts";
import { shopJourneys } from "../journeys/shop.ts";
import { planDigest } from "./digest.ts";
import type { Executor } from "./plan.ts";
import { aPlan } from "./testing.ts";

const executors: readonly Executor[] = [
  ...(["iterations", "requests"] as const).map((arriving): Executor => ({
    ...{ kind: "constant-arrival-rate", rate_per_second: 200, duration_ms: 5_000 },
    ...{ arrival: "poisson", arriving, max_vus: 100 },
  })),
  { kind: "constant-vus", vus: 3, duration_ms: 1_000 },
  { kind: "shared-iterations", vus: 3, iterations: 50, max_duration_ms: 1_000 },
  { kind: "per-vu-iterations", vus: 3, iterations: 50, max_duration_ms: 1_000 },
  { kind: "ramping-vus", start_vus: 0, stages: [{ target: 3, duration_ms: 1_000 }] },
];

test.each(executors)("one seed has one digest, another seed another: $kind", (executor) => {
  const digest = (seed: number) => planDigest(aPlan({ executor, journeys: shopJourneys, seed }));
  expect(digest(7)).toMatch(/^[\da-f]{64}$/);
  expect(digest(7)).toBe(digest(7));
  expect(digest(7)).not.toBe(digest(8));
});

test("what is asked for, when, and which incidents are planned all count", () => {
  const paying = (body: string): Journey => ({
    name: "pay",
    weight: 1,
    *steps() {
      yield { ...get("/"), method: "POST", body };
    },
  });
  const plain = aPlan({ journeys: [paying("a")] });
  const incident = { name: "x", kind: "slow", at_ms: 0, duration_ms: 1_000 } as const;
  const digests = [
    plain,
    aPlan({ journeys: [paying("b")] }),
    aPlan({ journeys: [paying("a")], start_ms: 1 }),
    aPlan({ journeys: [paying("a")], incidents: [{ ...incident, route: undefined, intensity: {} }] }),
  ].map((plan) => planDigest(plan));
  expect(new Set(digests).size).toBe(digests.length);
});

test("a plan without an end has a digest up to a time", () => {
  const executor = { ...executors[0]!, duration_ms: undefined } as Executor;
  const endless = aPlan({ executor });
  expect(planDigest(endless)).toBeNull();
  expect(planDigest(endless, 5_000)).toBe(planDigest(aPlan({ executor: executors[0]! })));
  expect(planDigest(endless, 4_000)).not.toBe(planDigest(endless, 5_000));
});

test("a journey that asks without end is planned up to a limit", () => {
  const forever: Journey = {
    name: "forever",
    weight: 1,
    *steps() {
      for (;;) yield get("/");
    },
  };
  const executor: Executor = { kind: "shared-iterations", vus: 1, iterations: 3, max_duration_ms: 1_000 };
  expect(planDigest(aPlan({ executor, journeys: [forever] }))).not.toBeNull();
});

test("a journey that throws is planned up to there, and what it threw counts", () => {
  const throwing = (message: string): Journey => ({
    name: "throwing",
    weight: 1,
    *steps() {
      yield get("/");
      throw new Error(message);
    },
  });
  for (const executor of executors) {
    const digest = (message: string) => planDigest(aPlan({ executor, journeys: [throwing(message)] }));
    expect(digest("boom")).toMatch(/^[\da-f]{64}$/);
    expect(digest("boom")).not.toBe(digest("bang"));
  }
});
