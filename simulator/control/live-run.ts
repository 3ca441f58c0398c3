import { isFault } from "../engine/incidents.ts";
import type { Incidents } from "../engine/incidents.ts";
import type { Run } from "../engine/run.ts";
import { metricValues } from "../figures/metric-values.ts";
import { currentThresholds } from "../figures/threshold-values.ts";
import type { LoadPlan } from "../plan/plan.ts";
import type { IncidentRecord } from "../report/record.ts";
import type { ControlChange, FaultStatus, RunControl } from "./run-control.ts";

interface State {
  factor: number;
  paused: boolean;
}

/** The control of a run that goes on; whatever changes becomes an event of its record. */
export function controlOf(plan: LoadPlan, run: Run, incidents: Incidents): RunControl {
  const whole: State = { factor: 1, paused: false };
  const parts = new Map(
    plan.scenarios.map(({ name, executor, journeys }) => {
      const weights = Object.fromEntries(journeys.map((journey) => [journey.name, journey.weight]));
      return [name, { factor: 1, paused: false, executor: executor.kind, weights }];
    }),
  );
  const values = metricValues(run.recorder, run.elapsedMs);
  let stopping = false;

  const apply = () => {
    for (const [scenario, part] of parts) {
      const factor = whole.paused || part.paused ? 0 : whole.factor * part.factor;
      run.change({ scenario, factor, weights: part.weights });
    }
  };

  return {
    status: () => ({
      run_id: run.run_id,
      scenario: plan.name,
      target: plan.target,
      state: stopping ? "stopping" : "running",
      rate_factor: whole.factor,
      paused: whole.paused,
      progress: run.progress(),
      scenarios: [...parts].map(([name, { factor, paused, executor, weights }]) => {
        return { name, executor, rate_factor: factor, paused, weights };
      }),
      faults: incidents.records
        .filter(({ kind, ended_at }) => isFault(kind) && ended_at === null)
        .map(statusOf),
      thresholds: currentThresholds(plan.thresholds, values),
    }),
    change({ scenario, rate_factor, paused, weights }) {
      const state = scenario === undefined ? whole : parts.get(scenario);
      if (state === undefined) return;
      state.factor = rate_factor ?? state.factor;
      state.paused = paused ?? state.paused;
      for (const [name, part] of parts) {
        if (scenario !== undefined && scenario !== name) continue;
        for (const [journey, weight] of Object.entries(weights ?? {})) {
          if (journey in part.weights) part.weights[journey] = weight;
        }
      }
      apply();
      run.note(describe({ scenario, rate_factor, paused, weights }));
    },
    async startFault(fault) {
      return statusOf(await incidents.start({ ...fault, at_ms: run.elapsedMs() }));
    },
    async endFault(name) {
      const ended = await incidents.end(name);
      return ended && statusOf(ended);
    },
    stop() {
      stopping = true;
      run.note("stopped by the control");
      run.stop();
    },
    events: (listener) => run.onEvent(listener),
  };
}

function statusOf(incident: IncidentRecord): FaultStatus {
  const { name, kind, route, started_at, planned_end_at, ended_at, requests_affected } = incident;
  return {
    ...{ name, kind: kind as FaultStatus["kind"], route, started_at, requests_affected },
    ends_at: ended_at ?? planned_end_at,
  };
}

function describe({ scenario, rate_factor, paused, weights }: ControlChange): string {
  const parts = [
    ...(rate_factor === undefined ? [] : [`load times ${rate_factor}`]),
    ...(paused === undefined ? [] : [paused ? "paused" : "resumed"]),
    ...Object.entries(weights ?? {}).map(([journey, weight]) => `${journey} has weight ${weight}`),
  ];
  return `${scenario === undefined ? "" : `${scenario}: `}${parts.join(", ")}`;
}
