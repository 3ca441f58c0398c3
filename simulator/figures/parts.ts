import type { LoadPlan } from "../plan/plan.ts";
import { Gauge } from "./gauge.ts";
import { LatencyHistogram } from "./latency.ts";
import type { CheckCounts, ScenarioCounts, StepKey } from "./samples.ts";
import type { Selector } from "./thresholds.ts";

/** A metric, or a part of one, as it adds up; which field counts is the metric's type's. */
export interface Part {
  readonly selector: Selector;
  readonly trend: LatencyHistogram;
  hits: number; // of a rate
  total: number; // of a rate, or a counter
  readonly gauge: Gauge;
}

/** What is measured of a request that ended. */
export interface Sample {
  readonly status: number; // 0: unanswered
  readonly failed: boolean;
  readonly response_ms: number; // NaN: has none
  readonly service_ms: number;
  readonly waiting_ms: number;
  readonly sent_bytes: number;
  readonly received_bytes: number;
}

/** The parts of metrics that thresholds ask for: those with tags, which the totals do not answer. */
export class Parts {
  readonly #parts = new Map<string, Part>();
  readonly #tagsOfScenario: ReadonlyMap<string, Readonly<Record<string, string>>>;

  constructor(plan: LoadPlan) {
    this.#tagsOfScenario = new Map(plan.scenarios.map(({ name, tags }) => [name, { ...plan.tags, ...tags }]));
    for (const { of } of plan.thresholds) {
      if (!("metric" in of) || Object.keys(of.tags).length === 0) continue;
      const part = { selector: of, trend: new LatencyHistogram(), hits: 0, total: 0, gauge: new Gauge() };
      this.#parts.set(keyOf(of), part);
    }
  }

  find(selector: Selector): Part | undefined {
    return this.#parts.get(keyOf(selector));
  }

  /** The parts that requests of a step count to, were it not for their status. */
  ofStep({ scenario, journey, name, method }: StepKey): readonly Part[] {
    return this.#matching({ scenario, journey, name, route: name, method }, ["status"]);
  }

  request(part: Part, sample: Sample): void {
    const { metric, tags } = part.selector;
    if (tags["status"] !== undefined && tags["status"] !== String(sample.status)) return;
    switch (metric) {
      case "http_reqs":
        part.total++;
        return;
      case "http_req_failed":
        part.total++;
        if (sample.failed) part.hits++;
        return;
      case "http_req_duration":
        record(part.trend, sample.service_ms);
        return;
      case "http_req_waiting":
        record(part.trend, sample.waiting_ms);
        return;
      case "response_time":
        record(part.trend, sample.response_ms);
        return;
      case "data_sent":
        part.total += sample.sent_bytes;
        return;
      case "data_received":
        part.total += sample.received_bytes;
        return;
      default: // is not measured by the request
    }
  }

  /** @param vus how many of its iterations are under way on all threads */
  scenario(counts: ScenarioCounts, vus: number): void {
    for (const part of this.#matching({ scenario: counts.scenario }, [])) {
      switch (part.selector.metric) {
        case "iterations":
          part.total += counts.durations_ms.length;
          break;
        case "iteration_duration":
          for (const ms of counts.durations_ms) part.trend.record(ms);
          break;
        case "dropped_iterations":
          part.total += counts.dropped;
          break;
        case "vus":
          if (isStarting(counts)) part.gauge.set(vus);
          break;
        default: // is not the scenario's
      }
    }
  }

  check({ scenario, name, passed, failed }: CheckCounts): void {
    for (const part of this.#matching({ scenario, check: name }, [])) {
      if (part.selector.metric !== "checks") continue;
      part.hits += passed;
      part.total += passed + failed;
    }
  }

  /** Parts all of whose tags are among `tags` or the scenario's own, those called `ignored` aside. */
  #matching(
    tags: Readonly<Record<string, string>> & { scenario: string },
    ignored: readonly string[],
  ): Part[] {
    const known = { ...this.#tagsOfScenario.get(tags.scenario), ...tags };
    return [...this.#parts.values()].filter(({ selector }) =>
      Object.entries(selector.tags).every(([key, value]) => ignored.includes(key) || known[key] === value),
    );
  }
}

/**
 * Whether iterations were started and went on. As long as none are, those that end say nothing about the load: at the
 * end of a run there would be nobody left.
 */
export function isStarting({ started, vus }: ScenarioCounts): boolean {
  return started > 0 && vus > 0;
}

function record(trend: LatencyHistogram, ms: number): void {
  if (!Number.isNaN(ms)) trend.record(ms);
}

function keyOf({ metric, tags }: Selector): string {
  return `${metric}${JSON.stringify(Object.entries(tags).sort(([a], [b]) => a.localeCompare(b)))}`;
}
