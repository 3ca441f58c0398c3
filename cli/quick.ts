import { Command } from "commander";
import { z } from "zod";
import { readSettings } from "../contract/config.ts";
import { quickJourney } from "../simulator/journeys/quick.ts";
import type { Plan } from "../simulator/engine/run.ts";
import {
  arrivalsOf,
  concludeRun,
  conduct,
  loadFlags,
  loadSettings,
  targetSetting,
  withLoadOptions,
} from "./simulate.ts";
import type { LoadOptions } from "./simulate.ts";

const METHOD_RULE = "must be an HTTP method such as GET, POST or DELETE (CONNECT and TRACE are not sent)";
const HEADER_RULE = "must be headers such as 'accept: text/html'";
/** The HTTP client sets these itself from the URL and the body. */
const OWN_HEADERS = [
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "transfer-encoding",
  "upgrade",
];

/** Header lines, each `name: value`, parted by line feeds. */
const headersSetting = z
  .string()
  .refine((lines) => lines.split("\n").every(isHeader), HEADER_RULE)
  .refine(
    (lines) => lines.split("\n").every((line) => !OWN_HEADERS.includes(nameAndValue(line)[0])),
    `cannot be ${OWN_HEADERS.join(", ")}: they follow from the URL and the body`,
  )
  .transform((lines) => Object.fromEntries(lines.split("\n").map(nameAndValue)));

const quickSettings = loadSettings.extend({
  QUICK_URL: targetSetting,
  QUICK_METHOD: z
    .string()
    .transform((method) => method.toUpperCase())
    .refine((method) => /^[A-Z]{1,16}$/.test(method) && !["CONNECT", "TRACE"].includes(method), METHOD_RULE)
    .optional(),
  QUICK_HEADERS: headersSetting.prefault("accept: */*"),
});

interface QuickOptions extends LoadOptions {
  method?: string;
  body?: string;
  header: string[];
}

export function quickCommand(): Command {
  return withLoadOptions(new Command("quick"))
    .description("Send one request again and again to any HTTP API and report how it did")
    .argument("<url>", "the URL with its path and query")
    .option("--method <method>", "the HTTP method (default: GET, with a body POST)")
    .option("--body <text>", "the request's body")
    .option("--header <line>", "a header such as 'accept: text/html'; repeatable", collect, [])
    .addHelpText(
      "after",
      `
Examples:
  rushhour quick http://127.0.0.1:8000/products --rate 200/s -d 30s
  rushhour quick https://example.test/orders --body '{"user_id": 1}' --header 'content-type: application/json'
  rushhour quick http://127.0.0.1:3000/ --rate 3000/m --arrival even --summary-export out.json`,
    )
    .action(async (url: string, options: QuickOptions) => {
      const settings = readSettings(quickSettings, process.env, {
        ...loadFlags(options),
        QUICK_URL: { flag: "URL", value: url },
        QUICK_METHOD: { flag: "--method", value: options.method },
        QUICK_HEADERS: {
          flag: "--header",
          value: options.header.length > 0 ? options.header.join("\n") : undefined,
        },
      });
      const { origin, pathname, search } = new URL(settings.QUICK_URL);
      const method = settings.QUICK_METHOD ?? (options.body === undefined ? "GET" : "POST");
      const step = {
        method,
        path: pathname + search,
        headers: settings.QUICK_HEADERS,
        ...(options.body !== undefined && { body: options.body }),
      };
      const plan: Plan = {
        ...arrivalsOf(settings),
        scenario: "quick",
        target: origin,
        journeys: [quickJourney(step)],
      };
      concludeRun(await conduct(plan, undefined, options), null, options, [
        "rushhour",
        "quick",
        url,
        ...(options.method === undefined ? [] : ["--method", options.method]),
        ...(options.body === undefined ? [] : ["--body", options.body]),
        ...options.header.flatMap((line) => ["--header", line]),
      ]);
    });
}

function collect(line: string, before: readonly string[]): string[] {
  return [...before, line];
}

function nameAndValue(line: string): [name: string, value: string] {
  const colon = line.indexOf(":");
  return [line.slice(0, Math.max(0, colon)).trim().toLowerCase(), line.slice(colon + 1).trim()];
}

function isHeader(line: string): boolean {
  try {
    new Headers([nameAndValue(line)]);
    return true;
  } catch {
    return false;
  }
}
