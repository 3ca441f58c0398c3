import { chartOf, latencyAxis, linearAxis, percentileAxis, timeAxis } from "./chart.ts";
import type { Band, Line, Mark } from "./chart.ts";
import { decimal, elapsed, integer, milliseconds } from "../format.ts";
import { html } from "./markup.ts";
import type { Markup } from "./markup.ts";
import { changesOf } from "../record.ts";
import type { RunRecord, SeriesPoint } from "../record.ts";

type Measure = "planned" | "sent" | "ended" | "failed" | "dropped" | "vus" | "p50" | "p95" | "p99" | "max";

/** What the table of the course shows; charts read their columns out by these places, from 1. */
const COLUMNS: readonly (readonly [Measure, string])[] = [
  ["planned", "planned/s"],
  ["sent", "sent/s"],
  ["ended", "ended/s"],
  ["failed", "failed/s"],
  ["dropped", "dropped/s"],
  ["vus", "virtual users"],
  ["p50", "p50"],
  ["p95", "p95"],
  ["p99", "p99"],
  ["max", "max"],
];

const LATENCIES: readonly Measure[] = ["p50", "p95", "p99", "max"];

/** The charts over time: load, virtual users, response time, failures. */
export function timeCharts(run: RunRecord): Markup {
  const { series } = run;
  if (series.length === 0) return html`<p>The run ended before there was anything to draw.</p>`;
  const seconds = secondsOf(series);
  const x = timeAxis(seconds);
  const common = { x, bands: bandsOf(run, seconds), marks: marksOf(run, seconds) };
  const reads = (...measures: Measure[]) => ({
    pointer: {
      seconds,
      columns: measures.map((one) => 1 + COLUMNS.findIndex(([measure]) => measure === one)),
    },
  });
  const curve = (measure: Measure, name: string, look: Line["look"], filled = false): Line => ({
    ...{ name, look, filled },
    points: pointsOf(series, measure),
  });

  const load = [
    ...(series.some(({ planned }) => planned !== null)
      ? [curve("planned", `planned ${run.rates.unit}`, "planned")]
      : []),
    curve("sent", "sent", "main"),
    curve("failed", "failed", "bad", true),
  ];
  const users = [curve("vus", "under way", "main", true)];
  const latency = [
    ...[curve("max", "max", "faint"), curve("p99", "p99", "third")],
    ...[curve("p95", "p95", "second"), curve("p50", "p50", "main")],
  ];
  const failures = [curve("failed", "failed", "bad", true), curve("dropped", "dropped", "planned")];
  const isMeasured = series.some(({ max }) => max !== null);
  const failedSomewhere = series.some(({ failed, dropped }) => failed > 0 || dropped > 0);
  return html`${chartOf({
    ...{ id: "load", title: "Load", unit: "a second", height: 200, ...common, lines: load },
    ...{ y: linearAxis(load, decimal), ...reads("planned", "sent", "failed") },
    description: `Requests sent a second over ${elapsed(seconds)}, ${rangeOf(series, "sent", decimal)}; what was planned, and what failed.`,
  })}
  ${chartOf({
    ...{ id: "users", title: "Virtual users", unit: "under way", height: 90, ...common, lines: users },
    ...{ y: linearAxis(users, integer), ...reads("vus") },
    description: `Iterations under way, ${rangeOf(series, "vus", integer)}.`,
  })}
  ${
    isMeasured
      ? chartOf({
          ...{ id: "latency", title: "Response time", unit: "from the scheduled start", height: 260 },
          ...{ ...common, lines: latency, y: latencyAxis(latency, milliseconds) },
          ...reads("p50", "p95", "p99", "max"),
          description: LATENCIES.map(
            (measure) => `${measure} ${rangeOf(series, measure, milliseconds)}`,
          ).join("; "),
        })
      : html`<p class="muted">No request was answered or given up: there is no response time to draw.</p>`
  }
  ${
    failedSomewhere
      ? chartOf({
          ...{ id: "failures", title: "Failures", unit: "a second", height: 120, ...common, lines: failures },
          ...{ y: linearAxis(failures, decimal), ...reads("failed", "dropped") },
          description: `Requests that failed a second, ${rangeOf(series, "failed", decimal)}, and arrivals that were dropped, ${rangeOf(series, "dropped", decimal)}.`,
        })
      : html`<p class="muted">Nothing failed and nothing was dropped.</p>`
  }`;
}

/** Latency by percentile, response and service time side by side. */
export function spectrumChart({ spectrum }: RunRecord): Markup {
  const lines: Line[] = [
    { name: "response time", look: "main", points: spectrumPoints(spectrum.response) },
    { name: "service time", look: "second", points: spectrumPoints(spectrum.service) },
  ];
  if (lines.every(({ points }) => points.length === 0)) return html``;
  return chartOf({
    ...{ id: "spectrum", title: "Latency by percentile", unit: "how slow the slowest are", height: 240 },
    ...{ x: percentileAxis(lines), y: latencyAxis(lines, milliseconds), lines },
    description:
      "Response time from the scheduled start and service time from the send, from the median to the slowest request; the tables of percentiles say the same.",
  });
}

/** The course as a table: for those who do not see the charts, and what these read out. */
export function courseTable(series: readonly SeriesPoint[]): Markup {
  const shown = (measure: Measure, value: number | null) =>
    value === null ? "–" : LATENCIES.includes(measure) ? milliseconds(value) : decimal(value);
  return html`<details>
    <summary>The course as a table</summary>
    <div class="scroll" role="region" aria-label="The course of the run" tabindex="0">
      <table id="course">
        <thead>
          <tr>
            <th scope="col">after</th>
            ${COLUMNS.map(([, name]) => html`<th scope="col">${name}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${series.map(
            (point) =>
              html`<tr data-at="${point.at_s}">
                <td>${elapsed(point.at_s)}</td>
                ${COLUMNS.map(([measure]) => html`<td>${shown(measure, point[measure])}</td>`)}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </details>`;
}

/** A, B … Z, then numbers: what incidents are called in charts and tables. */
export function incidentKey(index: number): string {
  return index < 26 ? String.fromCharCode(65 + index) : String(index + 1);
}

/** A point stands for the middle of its interval; the only one of a run for all of it, to be a line. */
export function pointsOf(series: readonly SeriesPoint[], measure: Measure): Line["points"] {
  const [first] = series;
  if (first && series.length === 1) return [0, secondsOf(series)].map((at) => [at, first[measure]] as const);
  return series.map((point) => [point.at_s + point.width_s / 2, point[measure]] as const);
}

export function secondsOf(series: readonly SeriesPoint[]): number {
  const last = series.at(-1);
  return last === undefined ? 0 : last.at_s + last.width_s;
}

/** The slowest request has no percentile below 100; it stands where the one before it would double. */
export function spectrumPoints(spectrum: RunRecord["spectrum"]["response"]): Line["points"] {
  const below = spectrum
    .filter(([percentile]) => percentile < 100)
    .map(([p, ms]) => [100 / (100 - p), ms] as const);
  const last = below.at(-1);
  const slowest = spectrum.at(-1);
  return last && slowest ? [...below, [last[0] * 1.2, slowest[1]]] : below;
}

function bandsOf({ incidents, started_at }: RunRecord, seconds: number): Band[] {
  const since = (iso: string) => (Date.parse(iso) - Date.parse(started_at)) / 1_000;
  return incidents
    .map(({ name, started_at, ended_at, planned_end_at }, index) => ({
      ...{ key: incidentKey(index), name, from: Math.max(0, since(started_at)) },
      to: Math.min(seconds, since(ended_at ?? planned_end_at)), // a fault ends by itself when nobody ends it
    }))
    .filter(({ from, to }) => from < seconds && to >= from);
}

function marksOf(run: RunRecord, seconds: number): Mark[] {
  return changesOf(run)
    .map(({ at_ms, text }) => ({ at: at_ms / 1_000, text }))
    .filter(({ at }) => at >= 0 && at <= seconds);
}

function rangeOf(series: readonly SeriesPoint[], measure: Measure, label: (value: number) => string): string {
  const values = series.map((point) => point[measure]).filter((value) => value !== null);
  return values.length === 0 ? "none" : `${label(Math.min(...values))} to ${label(Math.max(...values))}`;
}
