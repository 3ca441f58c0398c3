import type { ComparedFigure, Comparison } from "../compare.ts";
import type { RunRecord } from "../record.ts";
import { chartOf, latencyAxis, linearAxis, percentileAxis, timeAxis } from "./chart.ts";
import type { Line } from "./chart.ts";
import { pointsOf, secondsOf, spectrumPoints } from "./course.ts";
import { date, decimal, integer, milliseconds, percent, perSecond } from "../format.ts";
import { html } from "./markup.ts";
import type { Markup } from "./markup.ts";
import { list, page, table, verdictOf } from "./page.ts";

/** Two runs and how they compare as one HTML file: the verdict, each figure with its interval, their charts overlaid. */
export function comparisonHtml(a: RunRecord, b: RunRecord, comparison: Comparison): string {
  const { differences, invalid, too_short, verdict, tolerance, figures, steps } = comparison;
  const regressions = [...figures, ...steps].filter(({ judgement }) => judgement === "regression");
  const { tone, title } = VERDICTS[verdict];
  return page(
    `${title}: ${a.run_id} and ${b.run_id}`,
    html`<main>
      <header>
        <div class="top"><strong>${b.scenario}</strong><span>B, compared with A</span></div>
        ${verdictOf(
          tone,
          title,
          html`${regressions.length > 0 && html`<p>${regressions.map(({ name }) => name).join(", ")}</p>`}
            ${differences.length > 0 && html`<p>Not runs of the same load: ${differences.join("; ")}.</p>`}
            ${invalid.map((reason) => html`<p>${reason}.</p>`)}
            ${too_short !== null && html`<p>${too_short}.</p>`}
            <p class="muted">A change up to ${percent(tolerance)} is none.</p>`,
        )}
      </header>
      <section>
        <h2>Runs</h2>
        ${list(
          "facts",
          [a, b].map((run, i) => [
            `${"AB"[i]!}${i === 0 ? ", the base" : ", the candidate"}`,
            html`<code>${run.run_id}</code><br />${[
                ...[run.scenario, date(run.started_at), `seed ${run.seed}`],
                ...Object.entries(run.tags).map(([name, value]) => `${name}=${value}`),
              ].join(", ")}`,
          ]),
        )}
      </section>
      <section>
        <h2>Figures</h2>
        <p class="muted">
          Bars are 95 % intervals of the change, dots its value, the grey field is the tolerance.
        </p>
        ${figureTable("The whole run", comparison, figures)}
        ${figureTable("Steps: p95 of response time", comparison, steps)}
      </section>
      <section>
        <h2>Course</h2>
        ${overlaid(a, b)}
      </section>
      <footer>Times are UTC. Made by rushhour; this file loads nothing from elsewhere.</footer>
    </main>`,
  );
}

const VERDICTS = {
  regression: { tone: "bad", title: "Regression" },
  no_regression: { tone: "good", title: "No regression shown" },
  not_judged: { tone: "unsure", title: "Not judged" },
} as const;

export const JUDGEMENTS = {
  regression: "✗ regression",
  improvement: "✓ improvement",
  no_difference: "none shown",
  not_judged: "not judged",
} as const;

/** A figure's value in its unit; a dash where the run does not have it. */
export function valueOf({ unit }: ComparedFigure, value: number | null): string {
  if (value === null) return "–";
  const shown = {
    ms: milliseconds,
    per_second: perSecond,
    share: percent,
    count: integer,
  };
  return shown[unit](value);
}

/** A ratio of B to A as the change it is: `+12.3 %`; `new` when something came of nothing. */
export function changeOf(ratio: number | null): string {
  if (ratio === null) return "–";
  if (ratio === Infinity) return "new";
  const change = (ratio - 1) * 100;
  if (Math.abs(change) < 0.05) return "±0 %";
  return `${change < 0 ? "−" : "+"}${Math.abs(change).toFixed(Math.abs(change) < 99.95 ? 1 : 0)} %`;
}

function figureTable(caption: string, { tolerance }: Comparison, figures: readonly ComparedFigure[]): Markup {
  return table(
    caption,
    [
      ...[{ name: "figure", isText: true }, { name: "A" }, { name: "B" }, { name: "change" }],
      ...[{ name: "95 % interval" }, { name: "" }, { name: "difference", isText: true }],
    ],
    figures.map((figure) => [
      ...[figure.name, valueOf(figure, figure.a), valueOf(figure, figure.b), changeOf(figure.ratio)],
      figure.interval?.map(changeOf).join(" to ") ?? "–",
      forest(figure, tolerance),
      html`<span
        class="${{ regression: "bad", improvement: "good", no_difference: "", not_judged: "muted" }[figure.judgement]}"
        >${JUDGEMENTS[figure.judgement]}</span
      >`,
    ]),
  );
}

/** What the axis of the bars reaches to either side: a change by half. */
const FOREST_MAX = Math.log(1.5);

/** The interval as a bar, its middle no change. */
function forest({ ratio, interval, judgement }: ComparedFigure, tolerance: number): Markup {
  if (ratio === null) return html``;
  const position = (value: number) => 50 + 50 * Math.max(-1, Math.min(1, Math.log(value) / FOREST_MAX));
  const at = (value: number) => `${position(value).toFixed(1)}%`;
  const field = position(1 + tolerance) - position(1 - tolerance);
  return html`<svg class="forest ${judgement}" aria-hidden="true">
    <rect x="${at(1 - tolerance)}" width="${field.toFixed(1)}%" height="100%" />
    ${interval && html`<line x1="${at(interval[0])}" x2="${at(interval[1])}" y1="50%" y2="50%" />`}
    <circle cx="${at(ratio)}" cy="50%" r="3" />
  </svg>`;
}

function overlaid(a: RunRecord, b: RunRecord): Markup {
  const x = timeAxis(Math.max(secondsOf(a.series), secondsOf(b.series)));
  const both = (points: (run: RunRecord) => Line["points"]): Line[] => [
    { name: "A", look: "planned", points: points(a) },
    { name: "B", look: "main", points: points(b) },
  ];
  const sent = both(({ series }) => pointsOf(series, "sent"));
  const p95 = both(({ series }) => pointsOf(series, "p95"));
  const failed = both(({ series }) => pointsOf(series, "failed"));
  const spectrum = both(({ spectrum }) => spectrumPoints(spectrum.response));
  const description = "A dashed, B solid; the table of figures says how they compare.";
  return html`${chartOf({
    ...{ id: "sent", title: "Load", unit: "sent a second", height: 160, description },
    ...{ x, y: linearAxis(sent, decimal), lines: sent },
  })}
  ${chartOf({
    ...{ id: "p95", title: "Response time", unit: "p95", height: 220, description },
    ...{ x, y: latencyAxis(p95, milliseconds), lines: p95 },
  })}
  ${chartOf({
    ...{ id: "failed", title: "Failures", unit: "a second", height: 110, description },
    ...{ x, y: linearAxis(failed, decimal), lines: failed },
  })}
  ${chartOf({
    ...{
      id: "spectrum",
      title: "Response time by percentile",
      unit: "how slow the slowest are",
      height: 220,
    },
    ...{ description, x: percentileAxis(spectrum), y: latencyAxis(spectrum, milliseconds), lines: spectrum },
  })}`;
}
