import { describe, expect, test } from "vitest";
import { faultSchema } from "../contract/faults.ts";
import { stream } from "../contract/random.ts";
import { bursts, Faults, MAX_ACTIVE_FAULTS } from "./faults.ts";

const HOUR_MS = 3_600_000;

/** A fault that the control API would take. */
const aFault = (fields: object = {}) =>
  faultSchema.parse({ id: "one", kind: "timeout", for_ms: 60_000, ...fields });

/** Faults under a clock that the test turns on. */
function openFaults(seed = 1) {
  const clock = { ms: Date.UTC(2026, 0, 1) };
  return { clock, faults: new Faults(seed, () => clock.ms) };
}

/** For each of so many requests to `GET /users`: the ids of the faults that hit it. */
const hitsOf = (faults: Faults, count: number, route = "GET /users") =>
  Array.from({ length: count }, () => faults.draw(route).map(({ fault }) => fault.id));

describe("bursts", () => {
  const DRAWS = 400_000;

  test.each([
    [0.02, 5],
    [0.35, 5],
    [0.35, 1],
    [0.5, 1],
    [0.9, 40],
  ])("a share of %f fails in the long run, in bursts of %d in the mean", (rate, length) => {
    const next = bursts(stream(7, "bursts"), rate, length);
    let failures = 0;
    let begun = 0;
    let failedBefore = false;
    for (let n = 0; n < DRAWS; n++) {
      const fails = next();
      if (fails) failures++;
      if (fails && !failedBefore) begun++;
      failedBefore = fails;
    }
    // Failures in a row are worth one observation: the deviation of the share grows with the length.
    const deviation = Math.sqrt((rate * (1 - rate) * 2 * length) / DRAWS);
    expect(Math.abs(failures / DRAWS - rate)).toBeLessThan(5 * deviation);
    expect(Math.abs(failures / begun / length - 1)).toBeLessThan(5 / Math.sqrt(begun));
  });

  test("how long a burst lasts does not depend on how long it has lasted", () => {
    const next = bursts(stream(3, "bursts"), 0.3, 4);
    let run = 0;
    const continued = { short: [0, 0], long: [0, 0] };
    for (let n = 0; n < DRAWS; n++) {
      const fails = next();
      if (run > 0) {
        const seen = run > 4 ? continued.long : continued.short;
        seen[0]!++;
        if (fails) seen[1]!++;
      }
      run = fails ? run + 1 : 0;
    }
    for (const [seen, on] of Object.values(continued)) expect(on! / seen!).toBeCloseTo(0.75, 1);
  });

  test("at a rate of 1 there is one burst without end", () => {
    const next = bursts(stream(1, "bursts"), 1, 5);
    expect(Array.from({ length: 1_000 }, next)).not.toContain(false);
  });

  test("begin as often failing as they fail in the long run", () => {
    const first = Array.from({ length: 5_000 }, (_, seed) => bursts(stream(seed, "bursts"), 0.25, 50)());
    expect(first.filter(Boolean).length / 5_000).toBeCloseTo(0.25, 1);
  });
});

describe("which requests a fault hits", () => {
  test("is decided by seed and id, and not by the other faults", () => {
    const drawn = (seed: number, fields: object, ...others: object[]) => {
      const { faults } = openFaults(seed);
      for (const fault of [fields, ...others]) faults.start(aFault({ rate: 0.5, kind: "slow", ...fault }));
      return hitsOf(faults, 64).map((ids) => ids.includes("one"));
    };
    const plain = drawn(1, {});
    expect(drawn(1, {})).toEqual(plain);
    expect(drawn(1, {}, { id: "two" })).toEqual(plain);
    expect(drawn(2, {})).not.toEqual(plain);
    expect(drawn(2, { seed: 1 })).toEqual(plain);
  });

  test("is a share of those to its route, and both are counted", () => {
    const { faults } = openFaults();
    faults.start(aFault({ route: "POST /orders", rate: 0.25 }));
    expect(hitsOf(faults, 100, "GET /users").flat()).toEqual([]);
    const hits = hitsOf(faults, 4_000, "POST /orders").flat().length;
    expect(hits / 4_000).toBeCloseTo(0.25, 1);
    expect(faults.list()).toMatchObject([{ requests_seen: 4_000, requests_affected: hits }]);
  });

  test("slow adds latency around its median", () => {
    const { faults } = openFaults();
    faults.start(aFault({ kind: "slow", latency_median_ms: 300, latency_sigma: 0.5 }));
    const delays = Array.from({ length: 2_001 }, () => faults.draw("GET /users")[0]!.delay_ms).sort(
      (a, b) => a - b,
    );
    expect(delays[1_000]! / 300).toBeCloseTo(1, 1);
    expect(Math.log(delays[1_683]! / delays[1_000]!)).toBeCloseTo(0.5, 1); // one sigma up: 84.13 %
  });

  test("several faults hit in the order they came, and none behind one that answers", () => {
    const { faults } = openFaults();
    for (const [id, kind] of Object.entries({ a: "slow", b: "slow", c: "reset", d: "slow" })) {
      faults.start(aFault({ id, kind }));
    }
    expect(hitsOf(faults, 2)).toEqual([
      ["a", "b", "c"],
      ["a", "b", "c"],
    ]);
    expect(faults.list().map((state) => state.requests_seen)).toEqual([2, 2, 2, 0]);
  });
});

describe("the life of a fault", () => {
  test("it ends by itself, to the millisecond, and its counts stay", () => {
    const { faults, clock } = openFaults();
    expect(faults.start(aFault({ for_ms: 1_000 }))).toMatchObject({
      started_at: "2026-01-01T00:00:00.000Z",
      ends_at: "2026-01-01T00:00:01.000Z",
      active: true,
    });
    clock.ms += 999;
    expect(hitsOf(faults, 1)).toEqual([["one"]]);
    clock.ms += 1;
    expect(hitsOf(faults, 1)).toEqual([[]]);
    expect(faults.isIdle).toBe(true);
    expect(faults.list()).toMatchObject([
      { active: false, ends_at: "2026-01-01T00:00:01.000Z", requests_seen: 1, requests_affected: 1 },
    ]);
  });

  test("it can be ended before its time, and asked for its counts again", () => {
    const { faults, clock } = openFaults();
    faults.start(aFault());
    hitsOf(faults, 3);
    clock.ms += 250;
    const ended = faults.end("one");
    expect(ended).toMatchObject({
      active: false,
      ends_at: "2026-01-01T00:00:00.250Z",
      requests_affected: 3,
    });
    clock.ms += 250;
    expect(faults.end("one")).toEqual(ended);
    expect(faults.end("two")).toBeUndefined();
  });

  test("a fault with the id of another takes its place", () => {
    const { faults } = openFaults();
    faults.start(aFault());
    hitsOf(faults, 3);
    faults.start(aFault({ kind: "reset" }));
    expect(faults.list()).toMatchObject([{ kind: "reset", requests_seen: 0 }]);
    faults.end("one");
    faults.start(aFault());
    expect(faults.list()).toMatchObject([{ kind: "timeout", active: true }]);
  });

  test("ending all tells of those that were at work, once", () => {
    const { faults } = openFaults();
    for (const id of ["a", "b"]) faults.start(aFault({ id }));
    expect(faults.endAll().map(({ id, active }) => [id, active])).toEqual([
      ["a", false],
      ["b", false],
    ]);
    expect(faults.endAll()).toEqual([]);
  });

  test("what ended is forgotten after an hour, or when 200 others have ended since", () => {
    const { faults, clock } = openFaults();
    faults.start(aFault({ id: "old" }));
    faults.end("old");
    clock.ms += HOUR_MS - 1;
    expect(faults.list()).toHaveLength(1);
    clock.ms += 1;
    expect(faults.list()).toEqual([]);

    for (let n = 0; n < 201; n++) {
      faults.start(aFault({ id: `f${n}` }));
      faults.end(`f${n}`);
    }
    expect(faults.list()).toHaveLength(200);
    expect(faults.end("f0")).toBeUndefined();
    expect(faults.end("f200")).toBeDefined();
  });

  test("no more than a hundred are at work; one of them can still be replaced", () => {
    const { faults } = openFaults();
    for (let n = 0; n < MAX_ACTIVE_FAULTS; n++) expect(faults.start(aFault({ id: `f${n}` }))).toBeDefined();
    expect(faults.start(aFault())).toBeUndefined();
    expect(faults.start(aFault({ id: "f7", kind: "slow" }))).toBeDefined();
    faults.end("f0");
    expect(faults.start(aFault())).toBeDefined();
  });
});
