import { describe, expect, test } from "vitest";
import { simulationRecord } from "./simulation.ts";

const anIncident = {
  ...{ v: 1, type: "incident", reported_at: "2026-11-21T09:30:00.000Z", run_id: "run-1" },
  incident_id: "0192f0c1-7d3a-5cc0-8a51-2f6f0d5b7a10",
  ...{ name: "lag", kind: "consumer-lag", route: null, origin: "scenario" },
  ...{ started_at: "2026-11-21T09:30:00.000Z", planned_end_at: "2026-11-21T09:45:00.000Z", ended_at: null },
  ...{ intensity: { delay_ms: 10_000 }, requests_affected: null },
};

const aRun = {
  ...{ v: 1, type: "run", state: "running", reported_at: "2026-11-21T09:30:00.000Z", run_id: "run-1" },
  ...{
    scenario: "shop",
    target: "http://127.0.0.1:8000",
    seed: 1,
    digest: null,
    tags: {},
    command: "rushhour",
  },
  started_at: "2026-11-21T09:30:00.000Z",
};

describe("an incident that slows the consumers", () => {
  test("is taken up to ten seconds a batch and fifteen minutes", () => {
    expect(simulationRecord.safeParse(anIncident).error).toBeUndefined();
  });

  test.each([
    ["a longer delay", { intensity: { delay_ms: 10_001 } }],
    ["a delay of 0", { intensity: { delay_ms: 0 } }],
    ["a negative delay", { intensity: { delay_ms: -1 } }],
    ["no delay", { intensity: {} }],
    ["a delay that is no number", { intensity: { delay_ms: "10" } }],
    ["a longer time", { planned_end_at: "2026-11-21T09:45:00.001Z" }],
  ])("with %s is refused", (_what, changes) => {
    expect(simulationRecord.safeParse({ ...anIncident, ...changes }).success).toBe(false);
  });

  test("is the only kind with these limits", () => {
    const long = { kind: "slow", planned_end_at: "2026-11-22T09:30:00.000Z", intensity: { rate: 0.3 } };
    expect(simulationRecord.safeParse({ ...anIncident, ...long }).error).toBeUndefined();
  });
});

describe("a run", () => {
  test("that goes on needs no figures, one that has ended all of them", () => {
    expect(simulationRecord.safeParse(aRun).error).toBeUndefined();
    const issues = simulationRecord.safeParse({ ...aRun, state: "finished" }).error?.issues ?? [];
    expect(issues.map(({ path }) => path[0])).toContain("verdict");
    expect(issues.map(({ path }) => path[0])).toContain("record");
  });

  test.each([
    ["an id that is a path", { run_id: "../../etc/passwd" }],
    ["a seed beyond 32 bits", { seed: 2 ** 32 }],
    ["a local time", { started_at: "2026-11-21T09:30:00" }],
    ["an unknown state", { state: "paused" }],
    ["another version", { v: 2 }],
    ["a command longer than its column", { command: "x".repeat(16_001) }],
  ])("with %s is refused", (_what, changes) => {
    expect(simulationRecord.safeParse({ ...aRun, ...changes }).success).toBe(false);
  });
});
