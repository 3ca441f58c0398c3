import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Command } from "commander";
import { readSettings, sqlSettings } from "../contract/config.ts";
import { reportHtml } from "../simulator/report/html/report.ts";
import { writeResult } from "./result-file.ts";
import { loadRun } from "./run-records.ts";

export function reportCommand(): Command {
  return new Command("report")
    .description("Write one HTML file about a run: verdict, charts, ledger, every table")
    .argument("[run]", "id or its beginning, latest, latest~1, or the path of a record", "latest")
    .option("-o, --out <file>", "where to, - for standard output (default: report-<run>.html)")
    .addHelpText(
      "after",
      `
The file loads nothing from elsewhere: send it, keep it, print it.

Examples:
  rushhour report
  rushhour report latest~1 -o before.html
  rushhour report 0192f0c1-7d3a -o - | gzip > report.html.gz`,
    )
    .action(async (wanted: string, options: { out?: string }) => {
      const run = await loadRun(wanted, readSettings(sqlSettings));
      const path = options.out ?? `report-${run.run_id}.html`;
      if (path === "-") process.stdout.write(reportHtml(run));
      else console.log(writePage("--out", path, reportHtml(run)));
    });
}

/**
 * Writes an HTML file.
 * @returns for people: where it is and how to open it
 * @throws RushhourError CONFIG_INVALID naming `flag`
 */
export function writePage(flag: string, path: string, text: string): string {
  writeResult(flag, path, text);
  return `${path}: open ${pathToFileURL(resolve(path)).href} in a browser`;
}
