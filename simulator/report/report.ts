import pc from "picocolors";
import type { LatencySummary } from "../figures/latency.ts";
import { bytes, cut, integer, latencyText, measuredText, percent, perSecond, printable } from "./format.ts";
import { changesOf, failedShare } from "./record.ts";
import type { RunRecord, ThresholdResult } from "./record.ts";

export const SUMMARY_MODES = ["compact", "full", "disabled"] as const;
export type SummaryMode = (typeof SUMMARY_MODES)[number];

/** The object of `--summary-export`; times in ms, rates a second, `ledger` null without a pipeline. */
export function summaryOf(record: RunRecord) {
  const { run_id, seed, digest, scenario, started_at, ended_at, exit_code, verdict } = record;
  const { p50, p99, max } = record.schedule_delay_ms;
  return {
    ...{ run_id, seed, digest, scenario, started_at, ended_at, exit_code, verdict },
    ledger: record.ledger,
    http: {
      requests: record.counts.sent,
      answered: record.counts.answered,
      failed: record.counts.failed,
      rate: record.rates.requests,
      failed_rate: failedShare(record),
      service_time_ms: record.service_time_ms,
      response_time_ms: record.response_time_ms,
    },
    schedule: {
      target_rate: record.rates.target,
      achieved_rate: record.rates.achieved,
      delay_ms: { p50, p99, max },
      dropped_iterations: record.counts.unsent,
    },
    delay_to_row_ms: record.delay_to_row_ms,
    checks: record.checks,
    incidents: record.incidents,
    thresholds: record.thresholds,
  };
}

/**
 * The report for a terminal of 80 columns, without the final line feed.
 * @param ledgerLines the proof, when there is one
 */
export function reportText(
  record: RunRecord,
  ledgerLines: readonly string[],
  mode: Exclude<SummaryMode, "disabled">,
  colors: Colors = pc,
): string {
  const sections = [
    thresholdSection(record, colors),
    checkSection(record, colors),
    httpSection(record, colors),
    ...(mode === "full" ? [scenarioSection(record, colors), stepSection(record, colors)] : []),
    executionSection(record, colors),
    networkSection(record, colors),
    incidentSection(record, colors),
    eventSection(record, colors),
    scheduleSection(record, colors),
    ledgerLines.length === 0 ? [] : [colors.bold("LEDGER"), ...ledgerLines.map((text) => `  ${text}`)],
    [
      ...(record.reason === null ? [] : [colors.red(record.reason)]),
      `run ${record.run_id}  seed ${record.seed}`,
      ...(record.digest === null ? [] : [`digest ${record.digest}`]),
      `again: ${record.command}`,
    ],
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n");
}

const COLUMNS = 80;

type Colors = ReturnType<typeof pc.createColors>;

function thresholdSection({ thresholds }: RunRecord, colors: Colors): string[] {
  if (thresholds.length === 0) return [];
  return [colors.bold("THRESHOLDS"), ...thresholds.map((result) => thresholdLine(result, colors))];
}

/** One line, or two where 80 columns are not enough. */
export function thresholdLine(result: ThresholdResult, colors: Colors = pc): string {
  const { metric, expression, value, passed, aborted } = result;
  const bound = `${printable(metric)}  ${printable(expression)}`;
  const measured = `${value === null ? "" : "is "}${printable(measuredText(result))}${aborted ? "  ended the run" : ""}`;
  const mark = passed ? colors.green("✓") : colors.red("✗");
  const gap = bound.length + measured.length > COLUMNS - 6 ? "\n      " : "  ";
  return `  ${mark} ${bound}${gap}${passed ? measured : colors.red(measured)}`;
}

function checkSection({ checks }: RunRecord, colors: Colors): string[] {
  if (checks.length === 0) return [];
  const lines = checks.map(({ name, passed, failed }) => {
    const share = `${percent(passed / Math.max(1, passed + failed))}  ${integer(passed)} of ${integer(passed + failed)}`;
    return `  ${failed === 0 ? colors.green("✓") : colors.red("✗")} ${name}  ${share}`;
  });
  return [colors.bold("CHECKS"), ...lines];
}

function httpSection(record: RunRecord, colors: Colors): string[] {
  const { sent, answered, unanswered, failed: failures } = record.counts;
  const failed = `${percent(failedShare(record))}  ${integer(failures)} of ${integer(answered + unanswered)}`;
  return [
    colors.bold("HTTP"),
    entry("requests", `${integer(sent)}  ${perSecond(record.rates.requests)}`),
    entry("answered", [integer(answered), ...tallied(record.statuses)].join("  ")),
    ...(unanswered > 0
      ? [entry("unanswered", colors.red([integer(unanswered), ...tallied(record.reasons)].join("  ")))]
      : []),
    entry("failed", failures > 0 ? colors.yellow(failed) : failed),
    row("", ["p50", "p90", "p95", "p99", "p99.9", "max"]),
    row("response time", latencyCells(record.response_time_ms)),
    row("service time", latencyCells(record.service_time_ms)),
    colors.dim("  response time runs from the scheduled start, service time from the send"),
  ];
}

function scenarioSection({ scenarios }: RunRecord, colors: Colors): string[] {
  return [
    colors.bold("SCENARIOS"),
    ...scenarios.map(({ name, executor, iterations, dropped, requests, failed, response_time_ms }) =>
      [
        `  ${name} (${executor})`,
        `    ${integer(iterations)} iterations, ${integer(dropped)} dropped, ${integer(requests)} requests, ${integer(failed)} failed`,
        `    response time ${percentiles(response_time_ms, ["p50", "p95", "p99"])}`,
      ].join("\n"),
    ),
  ];
}

const NAME_COLUMNS = 34;

function stepSection({ steps }: RunRecord, colors: Colors): string[] {
  const line = (name: string, cells: readonly string[]) =>
    `  ${cut(name, NAME_COLUMNS - 1).padEnd(NAME_COLUMNS)}${cells.map((cell) => cell.padStart(11)).join("")}`;
  return [
    colors.bold("STEPS"),
    line("", ["requests", "failed", "p50", "p99"]),
    ...steps.map(({ journey, name, requests, failed, response_time_ms: times }) =>
      line(journey === name ? name : `${journey}: ${name}`, [
        integer(requests),
        integer(failed),
        latencyText(times, "p50"),
        latencyText(times, "p99"),
      ]),
    ),
  ];
}

function executionSection({ counts, iteration_duration_ms: duration }: RunRecord, colors: Colors): string[] {
  return [
    colors.bold("EXECUTION"),
    entry("iterations", integer(counts.iterations)),
    entry("iteration_duration", percentiles(duration, ["p50", "p95", "max"])),
  ];
}

function networkSection({ data, elapsed_ms }: RunRecord, colors: Colors): string[] {
  const each = (count: number) => `${bytes(count)}  ${bytes((count * 1_000) / Math.max(1, elapsed_ms))}/s`;
  return [
    colors.bold("NETWORK"),
    entry("data_received", each(data.received_bytes)),
    entry("data_sent", each(data.sent_bytes)),
  ];
}

function incidentSection({ incidents, started_at }: RunRecord, colors: Colors): string[] {
  if (incidents.length === 0) return [];
  const seconds = (iso: string) => `${((Date.parse(iso) - Date.parse(started_at)) / 1_000).toFixed(0)}s`;
  return [
    colors.bold("INCIDENTS"),
    ...incidents.map(({ name, kind, route, started_at: from, ended_at: to, requests_affected: affected }) => {
      const what = `${name === kind ? "" : `${name}: `}${kind}${route === null ? "" : ` on ${route}`}`;
      const line = `  ${seconds(from)} to ${to === null ? "?" : seconds(to)}  ${what}`;
      if (affected === null) return line;
      const hit = `${integer(affected)} requests affected`;
      return line.length + hit.length + 2 > COLUMNS ? `${line}\n      ${hit}` : `${line}, ${hit}`;
    }),
  ];
}

const EVENTS_SHOWN = 10;

function eventSection(record: RunRecord, colors: Colors): string[] {
  const changes = changesOf(record);
  if (changes.length === 0) return [];
  const lines = changes
    .slice(0, EVENTS_SHOWN)
    .map(({ at_ms, text }) => cut(`  ${(at_ms / 1_000).toFixed(0)}s  ${text}`, COLUMNS));
  const rest = changes.length - lines.length;
  return [colors.bold("EVENTS"), ...lines, ...(rest > 0 ? [`  and ${integer(rest)} more`] : [])];
}

function scheduleSection(record: RunRecord, colors: Colors): string[] {
  const { offered, unsent, iterations } = record.counts;
  const { target, achieved, unit } = record.rates;
  const dropped = integer(unsent);
  const rate = target === null ? perSecond(achieved) : `${perSecond(achieved)} of ${perSecond(target)}`;
  return [
    colors.bold("SCHEDULE"),
    entry("duration", `${(record.elapsed_ms / 1_000).toFixed(1)} s`),
    entry("offered", `${integer(offered)}  in ${integer(iterations)} iterations`),
    entry("rate", `${rate} ${unit}`),
    entry("delay", percentiles(record.schedule_delay_ms, ["p50", "p99", "max"])),
    entry("dropped_iterations", unsent > 0 ? colors.red(dropped) : dropped),
  ];
}

function entry(name: string, value: string): string {
  return `  ${`${name} `.padEnd(22, ".")} ${value}`;
}

function percentiles<P extends string>(
  summary: Readonly<Record<P | "max", number>>,
  names: readonly P[],
): string {
  return names.map((name) => `${name} ${latencyText(summary, name)}`).join("  ");
}

function row(name: string, cells: readonly string[]): string {
  return `  ${name.padEnd(14)}${cells.map((cell) => cell.padStart(10)).join("")}`;
}

function latencyCells(latency: LatencySummary): string[] {
  return (["p50", "p90", "p95", "p99", "p99_9", "max"] as const).map((p) => latencyText(latency, p));
}

/** The most frequent first, as many as fit a line. */
function tallied(counts: Readonly<Record<string, number>>): string[] {
  const all = Object.entries(counts).sort(([, a], [, b]) => b - a);
  const shown = all.slice(0, 4).map(([name, count]) => `${name}: ${integer(count)}`);
  return all.length > shown.length ? [...shown, "…"] : shown;
}
