import { readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { Command } from "commander";
import { z } from "zod";
import { redact, readSettings } from "../contract/config.ts";
import { messageOf, RushhourError } from "../contract/errors.ts";
import { openapiJourneys, parseDocument } from "../simulator/journeys/openapi.ts";
import type { OpenapiJourneys } from "../simulator/journeys/openapi.ts";
import type { PlanSource } from "../simulator/plan/load-plan.ts";
import {
  collect,
  executorOf,
  flagOf,
  flagsOf,
  flagWords,
  loadFlags,
  loadSettings,
  runSettingsOf,
  targetSetting,
  withExecutorOptions,
  withoutSecrets,
} from "./load-options.ts";
import type { LoadOptions } from "./load-options.ts";
import { planFor, runFlags, runLoad, runSettings, withRunOptions } from "./simulate.ts";
import type { RunOptions } from "./simulate.ts";

const METHOD_RULE = "must be an HTTP method such as GET, POST or DELETE (CONNECT and TRACE are not sent)";
const METHODS_RULE = "must be HTTP methods parted by commas such as GET,HEAD";
const AUTH_RULE = "must be a security scheme of the document and its value such as apiKey=abc";
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

/** `${env.NAME}`, as in a scenario file; here a variable of the process. */
const REFERENCE = /\$\{\s*env\.(\w+)\s*\}/g;

/** Text in which variables of the process stand for what they hold, so that no secret has to stand in the command. */
const withEnvironment = z.string().transform((text, context): string =>
  text.replaceAll(REFERENCE, (reference, name: string) => {
    const value = process.env[name];
    if (value === undefined || value === "") context.addIssue(`names ${reference}, but ${name} is not set`);
    return value ?? "";
  }),
);

/** Header lines, each `name: value`, parted by line feeds. */
const headersSetting = withEnvironment
  .refine((lines) => lines.split("\n").every(isHeader), HEADER_RULE)
  .refine(
    (lines) => lines.split("\n").every((line) => !OWN_HEADERS.includes(nameAndValue(line)[0])),
    `cannot be ${OWN_HEADERS.join(", ")}: they follow from the URL and the body`,
  )
  .transform((lines) => Object.fromEntries(lines.split("\n").map(nameAndValue)));

const isMethod = (method: string) => /^[A-Z]{1,16}$/.test(method) && !["CONNECT", "TRACE"].includes(method);

const quickSettings = z.object({
  ...loadSettings.shape,
  ...runSettings.shape,
  QUICK_HEADERS: headersSetting.optional(),
});

const requestSettings = quickSettings.extend({
  QUICK_URL: targetSetting,
  QUICK_METHOD: z
    .string()
    .transform((method) => method.toUpperCase())
    .refine(isMethod, METHOD_RULE)
    .optional(),
});

const openapiSettings = quickSettings.extend({
  QUICK_METHODS: z
    .string()
    .transform((list) =>
      list
        .toUpperCase()
        .split(",")
        .map((method) => method.trim()),
    )
    .refine((methods) => methods.every(isMethod), METHODS_RULE)
    .optional(),
  /** Lines `scheme=value`. */
  QUICK_AUTH: withEnvironment
    .refine((lines) => lines.split("\n").every((line) => /^[^=]+=./.test(line)), AUTH_RULE)
    .transform((lines) => Object.fromEntries(lines.split("\n").map(schemeAndValue)))
    .optional(),
});

interface QuickOptions extends LoadOptions, RunOptions {
  readonly method?: string;
  readonly body?: string;
  readonly header: readonly string[];
  readonly openapi?: boolean;
  readonly methods?: string;
  readonly auth: readonly string[];
  readonly allowWrites?: boolean;
  readonly list?: boolean;
}

export function quickCommand(): Command {
  return withRunOptions(withExecutorOptions(new Command("quick")))
    .description("Send one request again and again, or all that an OpenAPI document describes, and report")
    .argument("<url|file>", "the URL with its path and query, or an OpenAPI document (JSON or YAML)")
    .option("--method <method>", "the HTTP method (default: GET, with a body POST)")
    .option("--body <text>", "the request's body")
    .option(
      "--header <line>",
      "a header such as 'accept: text/html' or 'authorization: ${env.TOKEN}'; repeatable",
      collect,
      [],
    )
    .option("--openapi", "the URL is that of an OpenAPI document")
    .option("--target <url>", "where the document's API is (default: its first server)")
    .option("--methods <list>", "only operations with these methods, such as GET,HEAD")
    .option(
      "--auth <scheme=value>",
      "a key, token or user:password by security scheme; repeatable",
      collect,
      [],
    )
    .option("--allow-writes", "let operations change state on another machine too")
    .option("--list", "print the document's operations with an example of each; send nothing")
    .addHelpText(
      "after",
      `
\${env.NAME} in --header and --auth is a variable of the environment (single quotes keep the shell from
reading it). The command that repeats the run is kept with the run: what may be a secret is *** there.

Examples:
  rushhour quick http://127.0.0.1:8000/products --rate 200/s -d 30s
  rushhour quick https://example.test/orders --body '{"user_id": 1}' --header 'content-type: application/json'
  rushhour quick http://127.0.0.1:3000/ --rate 3000/m --arrival even --summary-export out.json
  rushhour quick openapi.yaml --target http://127.0.0.1:3000 --auth apiKey=abc -d 1m
  rushhour quick --openapi http://127.0.0.1:8000/openapi.json --list`,
    )
    .action((argument: string, options: QuickOptions) =>
      options.openapi === true || !/^https?:/i.test(argument)
        ? quickOpenapi(argument, options)
        : quickRequest(argument, options),
    );
}

async function quickRequest(url: string, options: QuickOptions): Promise<void> {
  refuseGiven(options, ["target", "methods", "auth", "allowWrites", "list"], "an OpenAPI document");
  const settings = readSettings(requestSettings, process.env, {
    ...quickFlags(options),
    QUICK_URL: { flag: "URL", value: url },
    ...flagsOf(options, { QUICK_METHOD: "method" }),
  });
  const { origin, pathname, search } = new URL(settings.QUICK_URL);
  const method = settings.QUICK_METHOD ?? (options.body === undefined ? "GET" : "POST");
  const step = {
    method,
    path: pathname + search,
    headers: settings.QUICK_HEADERS ?? { accept: "*/*" },
    ...(options.body !== undefined && { body: options.body }),
  };
  const executor = executorOf(options, settings);
  await send(
    { ...runSettingsOf(settings), kind: "quick", executor, step, target: origin },
    [withoutSecrets(url), ...flagWords({ method: options.method, body: options.body })],
    options,
    settings,
  );
}

async function quickOpenapi(argument: string, options: QuickOptions): Promise<void> {
  refuseGiven(options, ["method", "body"], "a single URL");
  const settings = readSettings(openapiSettings, process.env, {
    ...quickFlags(options),
    ...flagsOf(options, { QUICK_METHODS: "methods", QUICK_AUTH: "auth" }),
  });
  const { QUICK_METHODS: methods, QUICK_AUTH: auth, QUICK_HEADERS: headers } = settings;
  const { text, url, baseFolder } = await readText(argument, headers ?? {});
  const document = parseDocument(text, argument);
  const run = runSettingsOf(settings);
  const openapi = {
    ...(methods && { methods }),
    ...(auth && { auth }),
    ...(headers && { headers }),
    ...(baseFolder !== undefined && { baseFolder }),
  };
  const made = await openapiJourneys(document, { ...openapi, seed: run.seed ?? run.drawn_seed });
  for (const warning of made.warnings) process.stderr.write(`warning: ${warning}\n`);
  if (options.list === true) {
    console.log(listOf(made));
    return;
  }
  const target = settings.SIMULATOR_TARGET ?? serverOf(made.server, url);
  if (options.allowWrites !== true) refuseWrites(made, target);
  const executor = executorOf(options, settings);
  await send(
    { ...run, kind: "openapi", executor, document, options: openapi, target },
    [
      ...(options.openapi === true ? ["--openapi"] : []),
      withoutSecrets(argument),
      ...flagWords({ target: options.target && redact(options.target), methods: options.methods }),
      ...options.auth.flatMap((line) => ["--auth", withoutValue(line, "=", schemeAndValue(line))]),
      ...(options.allowWrites === true ? ["--allow-writes"] : []),
    ],
    options,
    settings,
  );
}

/** @param words what, behind the command, asks for the same load again */
async function send(
  source: PlanSource,
  words: readonly string[],
  options: QuickOptions,
  settings: z.output<typeof quickSettings>,
): Promise<void> {
  const command = ["rushhour", "quick", ...words, ...headerWords(options)];
  const plan = await planFor(source, options);
  await runLoad({ plan, source, command, options, settings, pipeline: undefined });
}

function quickFlags(options: QuickOptions) {
  return { ...loadFlags(options), ...runFlags(options), ...flagsOf(options, { QUICK_HEADERS: "header" }) };
}

/** Headers that say what is asked for, never who asks. */
const OPEN_HEADER = /^(?:accept(?:-.+)?|cache-control|content-type|if-.+|prefer|range|user-agent|x-sim-.+)$/;

/** The command is kept with the run, so of other headers only references to variables stand in it. */
function headerWords({ header }: QuickOptions): string[] {
  return header.flatMap((line) => {
    const [name, value] = nameAndValue(line);
    return ["--header", OPEN_HEADER.test(name) ? line : withoutValue(line, ": ", [name, value])];
  });
}

/** Keeps the name, and the value where it only refers to variables: `authorization: Bearer ${env.TOKEN}`. */
function withoutValue(line: string, separator: string, [name, value]: readonly [string, string]): string {
  const isReference = /^(?:(?:basic|bearer|token) )?$/i.test(value.replaceAll(REFERENCE, ""));
  return isReference ? line : `${name}${separator}***`;
}

/** Flags of the other kind of argument are a mistake, not to be ignored. */
function refuseGiven(options: QuickOptions, names: readonly (keyof QuickOptions)[], kind: string): void {
  const given = names.filter((name) => options[name] !== undefined && String(options[name]) !== "");
  if (given.length === 0) return;
  throw new RushhourError(
    "CONFIG_INVALID",
    `${given.map(flagOf).join(", ")}: only for ${kind}; see rushhour quick --help`,
  );
}

const MAX_DOCUMENT_BYTES = 10 * 2 ** 20;
const FETCH_TIMEOUT_MS = 10_000;

interface Text {
  readonly text: string;
  readonly url?: string; // where it came from in the end
  readonly baseFolder?: string;
}

/** @throws RushhourError CONFIG_INVALID */
async function readText(argument: string, headers: Readonly<Record<string, string>>): Promise<Text> {
  try {
    if (/^https?:/i.test(argument)) return await fetchText(argument, headers);
    const { size } = await stat(argument);
    if (size > MAX_DOCUMENT_BYTES) throw new Error(TOO_LARGE);
    return { text: await readFile(argument, "utf8"), baseFolder: resolve(dirname(argument)) };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? `: ${messageOf(error.cause)}` : "";
    throw new RushhourError(
      "CONFIG_INVALID",
      `the OpenAPI document ${redact(argument)} cannot be read: ${messageOf(error)}${cause}; ` +
        "name a file, a URL such as http://127.0.0.1:8000/products to send requests there, or its document with --openapi URL",
      { cause: error },
    );
  }
}

const TOO_LARGE = "it is larger than 10 MiB";

async function fetchText(address: string, headers: Readonly<Record<string, string>>): Promise<Text> {
  const response = await fetch(address, { headers, signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_DOCUMENT_BYTES) throw new Error(TOO_LARGE);
    chunks.push(chunk);
  }
  return { text: Buffer.concat(chunks).toString(), url: response.url };
}

/** Where the document says its API is; a document that says nothing stands on the server it describes. */
function serverOf(server: string | undefined, documentUrl: string | undefined): string {
  const url = URL.parse(server ?? "/", documentUrl);
  if (url !== null && /^https?:$/.test(url.protocol)) return url.href;
  throw new RushhourError(
    "CONFIG_INVALID",
    server === undefined
      ? "the OpenAPI document names no server; say where its API is with --target http://127.0.0.1:8000"
      : `the OpenAPI document's server ${server} is no http or https URL; say where its API is with --target http://127.0.0.1:8000`,
  );
}

const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];

/** Generated requests may create and delete anything; on another machine somebody has to have meant it. */
function refuseWrites({ operations }: OpenapiJourneys, target: string): void {
  const { hostname } = new URL(target);
  const isOwn = /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
  const writing = operations.filter(({ method }) => !SAFE_METHODS.includes(method));
  if (isOwn || writing.length === 0) return;
  throw new RushhourError(
    "CONFIG_INVALID",
    `${writing.length} of ${operations.length} operations change state (${writing[0]!.name} …) and ${hostname} is not this ` +
      "machine: leave them out with --methods GET,HEAD,OPTIONS, or mean it with --allow-writes",
  );
}

/** Each operation with an example of its request. */
function listOf({ operations }: OpenapiJourneys): string {
  return operations
    .map(({ name, example }) => {
      const headers = Object.entries(example.headers ?? {}).map(([field, value]) => `${field}: ${value}`);
      const lines = [
        `${example.method} ${example.path}`,
        ...headers,
        ...(example.body?.split(/\r?\n/) ?? []),
      ];
      return [name, ...lines.map((line) => `    ${line}`)].join("\n");
    })
    .join("\n\n");
}

function schemeAndValue(line: string): [scheme: string, value: string] {
  const equals = line.indexOf("=");
  return [line.slice(0, equals), line.slice(equals + 1)];
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
