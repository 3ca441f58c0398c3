import { quickJourney } from "../journeys/quick.ts";
import { get } from "../journeys/journey.ts";
import type { LoadPlan, Scenario } from "./plan.ts";

type Overrides = Partial<Omit<LoadPlan, "scenarios"> & Omit<Scenario, "name" | "tags">>;

/** A plan for tests, with one scenario: 100 even iterations a second of one GET / each, for 5 s. */
export function aPlan(overrides: Overrides = {}): LoadPlan {
  const { executor, start_ms = 0, graceful_stop_ms = 1_000, journeys, ...plan } = overrides;
  return {
    ...{ name: "test", target: "http://127.0.0.1:1", seed: 1, tags: {} },
    ...{ incidents: [], thresholds: [], starts_at: new Date("2026-01-05T00:00:00Z") },
    ...plan,
    scenarios: [
      {
        name: "main",
        ...{ start_ms, graceful_stop_ms, tags: {} },
        executor: executor ?? {
          ...{ kind: "constant-arrival-rate", rate_per_second: 100, duration_ms: 5_000 },
          ...{ arrival: "even", arriving: "iterations", max_vus: 1_000 },
        },
        journeys: journeys ?? [quickJourney(get("/"))],
      },
    ],
  };
}
