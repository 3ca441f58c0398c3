import type { Step } from "../journeys/journey.ts";
import type { Journey } from "../journeys/journey.ts";
import { openapiJourneys } from "../journeys/openapi.ts";
import type { OpenapiOptions } from "../journeys/openapi.ts";
import { quickJourney } from "../journeys/quick.ts";
import { shopJourneys } from "../journeys/shop.ts";
import { compileScenario } from "../scenario/scenario-file.ts";
import type { ScenarioSettings } from "../scenario/scenario-file.ts";
import type { Executor, LoadPlan } from "./plan.ts";

/** Where a mock shop is, unless somebody says otherwise. */
export const DEFAULT_TARGET = "http://127.0.0.1:8000";

const GRACEFUL_STOP_MS = 30_000;

/** What of the run stands outside its scenario; the same as a scenario file's settings, without its variables. */
type RunSettings = Omit<ScenarioSettings, "env">;

/**
 * Where a plan comes from: plain data, so that it goes to worker threads as it is, and each makes the same plan of it.
 * `drawn_seed` holds when neither `seed` nor the file has one.
 */
export type PlanSource =
  | (ScenarioSettings & {
      readonly kind: "scenario";
      readonly path: string;
      readonly text: string;
    })
  | (RunSettings & { readonly kind: "shop"; readonly executor: Executor })
  | (RunSettings & { readonly kind: "quick"; readonly executor: Executor; readonly step: Step })
  | (RunSettings & {
      readonly kind: "openapi";
      readonly executor: Executor;
      readonly document: unknown;
      readonly options: Omit<OpenapiOptions, "seed">;
    });

/** @throws RushhourError CONFIG_INVALID with everything that is wrong with the scenario file or the OpenAPI document */
export async function loadPlan(source: PlanSource): Promise<LoadPlan> {
  switch (source.kind) {
    case "scenario":
      return compileScenario(source.path, source.text, source, DEFAULT_TARGET);
    case "shop":
      return planOf(source, shopJourneys);
    case "quick":
      return planOf(source, [quickJourney(source.step)]);
    case "openapi": {
      const options = { ...source.options, seed: seedOf(source) };
      return planOf(source, (await openapiJourneys(source.document, options)).journeys);
    }
  }
}

/** A run of one scenario, called as its kind. */
function planOf(source: Exclude<PlanSource, { kind: "scenario" }>, journeys: readonly Journey[]): LoadPlan {
  const { kind: name, executor, target, tags, starts_at_ms } = source;
  return {
    ...{ name, target: target ?? DEFAULT_TARGET, seed: seedOf(source), tags },
    scenarios: [{ name, executor, journeys, start_ms: 0, graceful_stop_ms: GRACEFUL_STOP_MS, tags: {} }],
    ...{ incidents: [], thresholds: [], starts_at: new Date(starts_at_ms) },
  };
}

function seedOf({ seed, drawn_seed }: RunSettings): number {
  return seed ?? drawn_seed;
}
