import type { ExitCode } from "../../../contract/errors.ts";
import type { LatencySummary } from "../../figures/latency.ts";
import { isBalanced } from "../../ledger/ledger.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { changesOf, failedShare } from "../record.ts";
import type { IncidentRecord, RunRecord, ThresholdResult } from "../record.ts";
import { courseTable, incidentKey, spectrumChart, timeCharts } from "./course.ts";
import {
  bytes,
  date,
  decimal,
  elapsed,
  integer,
  latencyText,
  measuredText,
  milliseconds,
  percent,
  perSecond,
} from "../format.ts";
import { html } from "./markup.ts";
import type { Content, Markup } from "./markup.ts";
import { list, page, table, verdictOf } from "./page.ts";

/** A run as one HTML file that needs nothing else: verdict first, then charts, the ledger and every table. */
export function reportHtml(run: RunRecord): string {
  return page(
    `${run.scenario}, ${date(run.started_at)}: ${VERDICTS[run.exit_code].title}`,
    html`<main>
      <header>
        <div class="top">
          <strong>${run.scenario}</strong><span>${run.target}</span><span>${date(run.started_at)}</span
          ><span>lasted ${elapsed(run.elapsed_ms / 1_000)}</span>
        </div>
        ${verdict(run)}
      </header>
      <section aria-label="Key figures">${keyFigures(run)}</section>
      ${run.thresholds.length > 0 && thresholds(run.thresholds)}
      <section>
        <h2>Course</h2>
        ${timeCharts(run)} ${incidents(run)} ${events(run)}
        ${run.series.length > 0 && courseTable(run.series)}
      </section>
      <section>
        <h2>Latency</h2>
        ${spectrumChart(run)} ${latencies(run)}
        <p class="muted">
          Response time runs from the scheduled start of a request, service time from its send: a server that
          stalls is slow in the first even while nothing is sent to it.
        </p>
      </section>
      ${ledger(run)} ${failures(run)}
      <section>
        <h2>Scenarios and steps</h2>
        ${scenarios(run)} ${steps(run)} ${checks(run)}
      </section>
      <section>
        <h2>Conditions</h2>
        ${conditions(run)}
      </section>
      <footer>Times are UTC. Made by rushhour; this file loads nothing from elsewhere.</footer>
    </main>`,
  );
}

const VERDICTS: Readonly<
  Record<ExitCode, { readonly tone: "good" | "bad" | "unsure"; readonly title: string }>
> = {
  0: { tone: "good", title: "Passed" },
  1: { tone: "bad", title: "Failed" },
  99: { tone: "bad", title: "Thresholds failed" },
  104: { tone: "bad", title: "Not configured rightly" },
  105: { tone: "unsure", title: "Stopped before the end" },
  107: { tone: "bad", title: "A journey threw" },
  111: { tone: "bad", title: "The ledger does not balance" },
  112: { tone: "bad", title: "The generator fell behind: the figures are not valid" },
};

function verdict(run: RunRecord): Markup {
  const { tone, title } = VERDICTS[run.exit_code];
  const failed = run.thresholds.filter(({ passed }) => !passed).length;
  const facts = [
    ...(run.thresholds.length === 0 || run.verdict === "thresholds_failed" // then it is the reason
      ? []
      : [
          failed === 0
            ? `all ${run.thresholds.length} thresholds met`
            : `${failed} of ${run.thresholds.length} thresholds failed`,
        ]),
    ...(run.balanced === null ? [] : [run.balanced ? "ledger balanced" : "ledger not balanced"]),
    ...(run.incidents.length === 0 ? [] : [counted(run.incidents.length, "incident")]),
  ].join(" · ");
  return verdictOf(
    tone,
    title,
    html`${run.reason !== null && html`<p>${run.reason}</p>`}${facts !== "" && html`<p class="muted">${facts}</p>`}`,
  );
}

function keyFigures(run: RunRecord): Markup {
  const { counts, rates, response_time_ms, schedule_delay_ms } = run;
  const ended = counts.answered + counts.unanswered;
  const planned = rates.target === null ? "" : `${perSecond(rates.target)} planned`;
  const dropped = run.scenarios.reduce((sum, scenario) => sum + scenario.dropped, 0);
  return list("tiles", [
    ["requests", html`${integer(counts.sent)}<small>${perSecond(rates.requests)}</small>`],
    [`${rates.unit} arrived`, html`${perSecond(rates.achieved)}<small>${planned}</small>`],
    [
      "failed",
      html`${percent(failedShare(run))}<small>${integer(counts.failed)} of ${integer(ended)}</small>`,
    ],
    [
      "response time p95",
      html`${latencyText(response_time_ms, "p95")}<small>p50 ${latencyText(response_time_ms, "p50")}</small>`,
    ],
    [
      "response time p99",
      html`${latencyText(response_time_ms, "p99")}<small>max ${latencyText(response_time_ms, "max")}</small>`,
    ],
    [
      "schedule delay p99",
      html`${latencyText(schedule_delay_ms, "p99")}<small>${counted(dropped, "iteration")} dropped</small>`,
    ],
  ]);
}

function thresholds(results: readonly ThresholdResult[]): Markup {
  const item = (result: ThresholdResult) =>
    html`<li>
      <strong class="${result.passed ? "good" : "bad"}" aria-label="${result.passed ? "met" : "failed"}"
        >${result.passed ? "✓" : "✗"}</strong
      >
      <code>${result.metric}: ${result.expression}</code>
      <b class="${result.value === null && "muted"}"
        >${measuredText(result)}${result.aborted && " · ended the run"}</b
      >
    </li>`;
  return html`<section>
    <h2>Thresholds</h2>
    <ul class="thresholds">
      ${results.toSorted((a, b) => Number(a.passed) - Number(b.passed)).map(item)}
    </ul>
  </section>`;
}

function incidents({ incidents, started_at }: RunRecord): Markup {
  const after = (iso: string) =>
    elapsed(Math.round(Math.max(0, Date.parse(iso) - Date.parse(started_at)) / 1_000));
  const row = (incident: IncidentRecord, index: number): Content[] => [
    ...[
      html`<strong>${incidentKey(index)}</strong> ${incident.name}`,
      incident.kind,
      incident.route ?? "every route",
    ],
    ...[after(incident.started_at), incident.ended_at === null ? "not ended" : after(incident.ended_at)],
    Object.entries(incident.intensity)
      .map(([name, value]) => `${name} ${decimal(value)}`)
      .join(", "),
    incident.requests_affected === null ? "–" : integer(incident.requests_affected),
  ];
  return table(
    "Incidents",
    [
      ...[text("incident"), text("kind"), text("route"), { name: "from" }, { name: "to" }],
      ...[text("intensity"), { name: "requests hit" }],
    ],
    incidents.map(row),
  );
}

function events(run: RunRecord): Markup {
  return table(
    "Events",
    [text("after"), text("event")],
    changesOf(run).map(({ at_ms, text }) => [elapsed(at_ms / 1_000), text]),
  );
}

function latencies(run: RunRecord): Markup {
  const rows: readonly (readonly [string, LatencySummary])[] = [
    ["response time", run.response_time_ms],
    ["service time", run.service_time_ms],
    ["waiting for the first byte", run.waiting_ms],
    ["schedule delay", run.schedule_delay_ms],
    ["iterations", run.iteration_duration_ms],
  ];
  const percentiles = ["p50", "p90", "p95", "p99", "p99_9", "max"] as const;
  return table(
    "Percentiles",
    [text(""), ...percentiles.map((name) => ({ name: name.replace("_", ".") }))],
    rows.map(([name, latency]) => [name, ...percentiles.map((p) => latencyText(latency, p))]),
  );
}

function ledger(run: RunRecord): Markup {
  const ledger = run.ledger as Ledger | null;
  if (ledger === null) return html``;
  const term = (count: number, name: string, isBad = false) =>
    html`<div class="${isBad ? "bad" : ""}"><b>${integer(count)}</b><span>${name}</span></div>`;
  const plus = html`<i>+</i>`;
  const reasons = Object.entries(ledger.dropped_by_reason).map(
    ([reason, count]) => `${reason}: ${integer(count)}`,
  );
  const delay = run.delay_to_row_ms;
  const isFine = isBalanced(ledger);
  return html`<section>
    <h2>Ledger</h2>
    <div class="equation">
      ${term(ledger.answered, "answered")}<i>=</i>${term(ledger.stored, "stored")}${plus}${term(ledger.dead_lettered, "dead-lettered")}${plus}${term(ledger.dropped, "dropped")}${plus}${term(ledger.missing, "missing", ledger.missing > 0)}${ledger.pending > 0 && html`${plus}${term(ledger.pending, "pending", true)}`}
    </div>
    <p class="${isFine ? "good" : "bad"}">
      ${isFine ? "✓ balanced: every answered request is accounted for" : "✗ not balanced: what is missing, pending or double is not accounted for"}
    </p>
    ${list("facts", [
      [
        "offered",
        `${integer(ledger.offered)}, ${integer(ledger.unsent)} unsent, ${integer(ledger.unanswered)} unanswered`,
      ],
      ["duplicates", integer(ledger.duplicates)],
      ["stored though unanswered", integer(ledger.stored_unanswered)],
      ...(reasons.length === 0 ? [] : [["dropped", reasons.join(", ")] as const]),
      ...(ledger.answered_without_id === 0
        ? []
        : [
            [
              "not accounted for",
              `${integer(ledger.answered_without_id)} answers carried no request id`,
            ] as const,
          ]),
      ...(delay === null
        ? []
        : [
            [
              "response to row",
              `p50 ${milliseconds(delay.p50)}, p99 ${milliseconds(delay.p99)}, max ${milliseconds(delay.max)}`,
            ] as const,
          ]),
    ])}
  </section>`;
}

function failures(run: RunRecord): Markup {
  const counted = (counts: RunRecord["statuses"]) =>
    Object.entries(counts)
      .toSorted(([, a], [, b]) => b - a)
      .map(([name, count]) => [name, integer(count), percent(count / Math.max(1, run.counts.sent))]);
  const columns = (name: string) => [text(name), { name: "requests" }, { name: "share" }];
  if (run.counts.answered + run.counts.unanswered === 0) return html``;
  return html`<section>
    <h2>Answers</h2>
    <div class="columns">
      ${table("By status", columns("status"), counted(run.statuses))}
      ${table("Unanswered, by reason", columns("reason"), counted(run.reasons))}
    </div>
  </section>`;
}

const STEP_PERCENTILES = ["p50", "p95", "p99", "max"] as const;

function scenarios(run: RunRecord): Markup {
  return table(
    "Scenarios",
    [
      ...[
        text("scenario"),
        text("executor"),
        { name: "iterations" },
        { name: "dropped" },
        { name: "requests" },
      ],
      ...["failed", ...STEP_PERCENTILES].map((name) => ({ name })),
    ],
    run.scenarios.map(({ name, executor, iterations, dropped, requests, failed, response_time_ms: time }) => [
      ...[name, executor, integer(iterations), integer(dropped), integer(requests), integer(failed)],
      ...STEP_PERCENTILES.map((p) => latencyText(time, p)),
    ]),
  );
}

function steps(run: RunRecord): Markup {
  return table(
    "Steps, the most frequent first",
    [
      ...[text("step"), text("journey"), { name: "requests" }],
      ...["failed", ...STEP_PERCENTILES].map((name) => ({ name })),
    ],
    run.steps.map(({ scenario, journey, name, requests, failed, response_time_ms: time }) => [
      ...[html`<code>${name}</code>`, `${scenario} / ${journey}`, integer(requests), integer(failed)],
      ...STEP_PERCENTILES.map((p) => latencyText(time, p)),
    ]),
  );
}

function checks(run: RunRecord): Markup {
  return table(
    "Checks",
    [text("check"), { name: "passed" }, { name: "failed" }],
    run.checks.map(({ name, passed, failed }) => [
      html`<span class="${failed === 0 ? "good" : "bad"}">${failed === 0 ? "✓" : "✗"}</span> ${name}`,
      ...[integer(passed), integer(failed)],
    ]),
  );
}

function conditions(run: RunRecord): Markup {
  const tags = Object.entries(run.tags).map(([name, value]) => `${name}=${value}`);
  return html`${list("facts", [
      ["run", html`<code>${run.run_id}</code>`],
      ["target", run.target],
      ["seed", String(run.seed)],
      ["digest of the plan", run.digest ?? "not computed"],
      ["started", date(run.started_at)],
      ["ended", date(run.ended_at)],
      ["exit code", String(run.exit_code)],
      ...(tags.length === 0 ? [] : [["tags", tags.join(", ")] as const]),
      ["bodies", `${bytes(run.data.sent_bytes)} sent, ${bytes(run.data.received_bytes)} received`],
    ])}
    <p>The same run again:</p>
    <pre>${run.command}</pre>`;
}

function text(name: string) {
  return { name, isText: true };
}

function counted(count: number, noun: string): string {
  return `${integer(count)} ${noun}${count === 1 ? "" : "s"}`;
}
