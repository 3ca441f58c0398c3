import { RushhourError } from "../../contract/errors.ts";
import type { RunEvent } from "../report/record.ts";
import type { ControlChange, FaultStatus, LiveFault, RunControl, RunStatus } from "./run-control.ts";

const NO_PROGRESS: RunStatus["progress"] = {
  ...{ offered: 0, sent: 0, unsent: 0, answered: 0, answered_without_id: 0, unanswered: 0 },
  ...{ elapsed_ms: 0, in_flight: 0, vus: 0, iterations: 0, failed: 0, error_rate: 0, rate_per_second: 0 },
  recent: { p50: 0, p95: 0, p99: 0 },
  all: { p50: 0, p95: 0, p99: 0 },
};

/** A run that only keeps what it is told: two scenarios, and a fault control that refuses the kind `reset`. */
export function aRun() {
  const changes: ControlChange[] = [];
  const started: LiveFault[] = [];
  const faults = new Map<string, FaultStatus>();
  const listeners = new Set<(event: RunEvent) => void>();
  let state: RunStatus["state"] = "running";
  let load = { rate_factor: 1, paused: false };
  const run: RunControl = {
    status: () => ({
      ...load,
      ...{ run_id: "run-1", scenario: "test", target: "http://127.0.0.1:8000", state },
      progress: NO_PROGRESS,
      scenarios: [
        { name: "shoppers", executor: "constant-arrival-rate", ...load, weights: { browse: 3, buy: 1 } },
        { name: "staff", executor: "constant-vus", ...load, weights: { admin: 1 } },
      ],
      faults: [...faults.values()],
      thresholds: [],
    }),
    change(change) {
      changes.push(change);
      const { rate_factor = load.rate_factor, paused = load.paused } = change;
      load = { rate_factor, paused };
      for (const listener of listeners) listener({ at_ms: changes.length, text: "changed" });
    },
    startFault(fault) {
      if (fault.kind === "reset") {
        return Promise.reject(new RushhourError("SERVER_UNREACHABLE", "the target has no fault control"));
      }
      if (started.some(({ name }) => name === fault.name)) {
        return Promise.reject(new RushhourError("CONFIG_INVALID", `the name ${fault.name} was used before`));
      }
      started.push(fault);
      const { name, kind, route = null } = fault;
      const times = { started_at: "2026-01-01T00:00:00.000Z", ends_at: "2026-01-01T00:01:00.000Z" };
      const status = { name, kind, route, ...times, requests_affected: null };
      faults.set(name, status);
      return Promise.resolve(status);
    },
    endFault(name) {
      const fault = faults.get(name);
      faults.delete(name);
      return Promise.resolve(fault && { ...fault, requests_affected: 7 });
    },
    stop() {
      state = "stopping";
    },
    events(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  return { run, changes, started, faults, listeners };
}
