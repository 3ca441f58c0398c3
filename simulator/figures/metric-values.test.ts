import { expect, test } from "vitest";
import { aPlan } from "../plan/testing.ts";
import { metricValues } from "./metric-values.ts";
import { Recorder } from "./recorder.ts";
import type { SampleBatch, ScenarioCounts } from "./samples.ts";
import { parseThreshold } from "./thresholds.ts";
import type { Selector } from "./thresholds.ts";

/** A batch in which no request ended. */
function aBatch(counts: Partial<ScenarioCounts>): SampleBatch {
  const none = new Float32Array();
  return {
    ...{ count: 0, step: new Uint32Array(), status: new Uint16Array(), ended_ms: new Float64Array() },
    ...{ response_ms: none, service_ms: none, waiting_ms: none, delay_ms: none },
    ...{ sent_bytes: new Uint32Array(), received_bytes: new Float64Array(), without_id: 0, reasons: {} },
    ...{ steps: [], tally: "", checks: [], details: undefined },
    iterations: [
      { scenario: "main", arrived: 0, dropped: 0, sent: 0, started: 0, durations_ms: [], vus: 0, ...counts },
    ],
  };
}

const thresholds = [parseThreshold("vus{scenario:main}", "max<10"), parseThreshold("http_reqs", "rate>0")];
const [users, requests] = thresholds.map(({ of }) => of) as [Selector, Selector];
const everybody: Selector = { metric: "vus", tags: {} };

test("virtual users are the most there were and those before the end, when all have left", () => {
  const recorder = new Recorder(aPlan({ thresholds }));
  const values = metricValues(recorder, () => 1_000);
  recorder.add(0, aBatch({ started: 4, vus: 4 }), 100);
  recorder.add(1, aBatch({ started: 3, vus: 3 }), 100);
  recorder.add(0, aBatch({ started: 1, vus: 2 }), 200);
  recorder.add(1, aBatch({ vus: 1 }), 300); // nobody else starts
  recorder.add(0, aBatch({ started: 9, vus: 0 }), 400); // short ones, all over before the batch
  recorder.add(1, aBatch({ vus: 0 }), 500);
  for (const selector of [everybody, users]) {
    expect(values.gauge(selector)).toMatchObject({ value: 5, max: 7 });
  }
  expect(recorder.progress(500).vus).toBe(0);
});

test("a rate is a number even before the first millisecond", () => {
  const recorder = new Recorder(aPlan({ thresholds }));
  expect(metricValues(recorder, () => 0).counter(requests)).toEqual({ count: 0, per_second: 0 });
});
