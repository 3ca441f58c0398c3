import { Command } from "commander";
import pc from "picocolors";
import { z } from "zod";
import { readSettings, sqlSettings } from "../contract/config.ts";
import { EXIT } from "../contract/errors.ts";
import { compareRuns } from "../simulator/report/compare.ts";
import type { ComparedFigure, Comparison } from "../simulator/report/compare.ts";
import { cut, printable } from "../simulator/report/format.ts";
import { changeOf, comparisonHtml, JUDGEMENTS, valueOf } from "../simulator/report/html/comparison.ts";
import type { RunRecord } from "../simulator/report/record.ts";
import { writePage } from "./report.ts";
import { loadRun } from "./run-records.ts";

const TOLERANCE_RULE = "must be a percentage below 100%, such as 5%";

const compareSettings = z.object({
  ...sqlSettings.shape,
  COMPARE_TOLERANCE: z
    .string()
    .regex(/^\d{1,2}(?:\.\d+)?%$/, TOLERANCE_RULE)
    .prefault("5%")
    .transform((text) => parseFloat(text) / 100),
});

interface Options {
  tolerance?: string;
  strict?: boolean;
  json?: boolean;
  html?: string;
}

export function compareCommand(): Command {
  return new Command("compare")
    .description("Compare run B with run A and say whether it is worse, beyond the noise")
    .argument("<a>", "the base: id or its beginning, latest~1, or the path of a record")
    .argument("<b>", "the candidate, likewise")
    .option("--tolerance <percent>", "a change up to this is none (default 5%)")
    .option("--strict", "judge figures without an interval too, by their values alone")
    .option("--json", "print JSON")
    .option("--html <file>", "write the comparison with both runs' charts as one HTML file")
    .addHelpText(
      "after",
      `
A figure differs when its whole 95 % interval lies beyond the tolerance. Exit code 0 without a
regression, 99 with one, 104 when a run is not known.

Examples:
  rushhour compare latest~1 latest
  rushhour compare before.json after.json --tolerance 10%
  rushhour compare 0192f0c1-7d3a 0192f0d4-11 --html compare.html`,
    )
    .action(async (wantedA: string, wantedB: string, options: Options) => {
      const settings = readSettings(compareSettings, process.env, {
        COMPARE_TOLERANCE: { flag: "--tolerance", value: options.tolerance },
      });
      const a = await loadRun(wantedA, settings);
      const b = await loadRun(wantedB, settings);
      const comparison = compareRuns(a, b, {
        tolerance: settings.COMPARE_TOLERANCE,
        strict: options.strict === true,
      });
      if (options.html !== undefined)
        console.error(writePage("--html", options.html, comparisonHtml(a, b, comparison)));
      console.log(options.json ? JSON.stringify(comparison, null, 2) : comparisonText(a, b, comparison));
      if (comparison.verdict === "regression") process.exitCode = EXIT.thresholdsFailed;
    });
}

/** The comparison for a terminal of 80 columns, without the final line feed. */
export function comparisonText(a: RunRecord, b: RunRecord, comparison: Comparison): string {
  const { figures, steps, differences, invalid, too_short, tolerance, verdict } = comparison;
  const differing = steps.filter(({ judgement }) => judgement !== "not_judged");
  return [
    runLine("A", a),
    runLine("B", b),
    ...[
      ...differences.map((difference) => `not the same load: ${difference}`),
      ...invalid,
      ...(too_short === null ? [] : [too_short]),
    ].flatMap((text) => folded(text).map((line) => pc.yellow(line))),
    "",
    pc.bold(row("", "A", "B", "change", "95 % interval", "difference")),
    ...figures.map(figureRow),
    ...(differing.length === 0 ? [] : ["", pc.bold("p95 of steps"), ...differing.map(figureRow)]),
    "",
    {
      regression: pc.red("B is worse than A"),
      no_regression: `no regression shown beyond ${Number((tolerance * 100).toPrecision(4))} %`,
      not_judged: "not judged",
    }[verdict],
  ].join("\n");
}

function runLine(name: string, run: RunRecord): string {
  const started = run.started_at.slice(0, 16).replace("T", " ");
  return `${name}  ${run.run_id}  ${started}  ${cut(run.scenario, 20)}`;
}

/** Lines of at most 80 columns, parted at spaces; a word that is longer stays whole. */
function folded(text: string): string[] {
  return printable(text).match(/\S.{0,78}\S(?=\s|$)|\S+/g) ?? [];
}

const NAME_COLUMNS = 18;

function figureRow(figure: ComparedFigure): string {
  const { a, b, ratio, interval, judgement } = figure;
  const isLong = figure.name.length > NAME_COLUMNS; // then it gets a line of its own
  const text = row(
    ...([isLong ? "" : figure.name, valueOf(figure, a), valueOf(figure, b), changeOf(ratio)] as const),
    ...([interval?.map(changeOf).join(" … ") ?? "", JUDGEMENTS[judgement]] as const),
  );
  const colour = { regression: pc.red, improvement: pc.green, no_difference: String, not_judged: pc.dim };
  return colour[judgement](isLong ? `${figure.name}\n${text}` : text);
}

function row(name: string, a: string, b: string, change: string, interval: string, judgement: string) {
  return `${name.padEnd(NAME_COLUMNS)}${a.padStart(8)}${b.padStart(9)}${change.padStart(9)}${interval.padStart(21)}  ${judgement}`;
}
