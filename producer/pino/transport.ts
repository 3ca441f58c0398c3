import { hostname } from "node:os";
import type { Transform } from "node:stream";
import { pino } from "pino";
import build from "pino-abstract-transport";
import { z } from "zod";
import { APP_LOG, type AppLog } from "../../contract/app-log.ts";
import { RushhourError } from "../../contract/errors.ts";
import { createLogger } from "../../contract/logger.ts";
import { createPublisher } from "../publisher.ts";
import { openSpool } from "../spool/open.ts";
import { appLogOfLine } from "./app-log-of-line.ts";

const text = (most: number) => {
  const rule = `must be a text of 1 to ${most} characters`;
  return z.string(rule).min(1, rule).max(most, rule);
};

const BROKERS = "must be host:port, or a list of them, such as 127.0.0.1:9092";
const broker = z.string(BROKERS).regex(/^(?:\[[^\]]+\]|[^\s:,/]+):\d{1,5}$/, BROKERS);

const whole = (min: number, max: number) => {
  const rule = `must be a whole number from ${min} to ${max}`;
  return z.int(rule).min(min, rule).max(max, rule);
};

const MECHANISMS = "must be plain, scram-sha-256 or scram-sha-512";
const MODES = "must be spill (on disk what Kafka does not take) or always (each line on disk first)";
const FSYNC = "must be never, interval or always";

const optionsSchema = z.strictObject({
  brokers: z.union([broker.transform((one) => [one]), z.array(broker).min(1)], BROKERS),
  service: text(64),
  instance: text(128).optional(),
  tls: z
    .strictObject({ ca: z.string().optional(), cert: z.string().optional(), key: z.string().optional() })
    .optional(),
  sasl: z
    .strictObject({
      mechanism: z.enum(["plain", "scram-sha-256", "scram-sha-512"], MECHANISMS),
      username: text(256),
      password: text(256),
    })
    .optional(),
  bufferRecords: whole(100, 10_000_000).optional(),
  spool: z
    .strictObject({
      folder: text(4_096),
      mode: z.enum(["spill", "always"], MODES).default("spill"),
      capBytes: whole(2 ** 20, 2 ** 50).optional(),
      fsync: z.enum(["never", "interval", "always"], FSYNC).optional(),
    })
    .optional(),
  deadlineMs: whole(100, 8_000).default(5_000), // pino waits 10 s for its worker
  messageKey: text(64).optional(),
  errorKey: text(64).optional(),
});

/** Options of `pino.transport({ target: "rushhour/pino", options })`; they go to a thread, so they are data. */
export type PinoTransportOptions = z.input<typeof optionsSchema>;

/** What pino adds to the options of every transport. */
const PINOS_OWN = new Set(["$context", "pinoWillSendConfig", "level", "dedupe"]);

/**
 * A transport of pino (run in its worker thread): each line becomes an application log on Kafka, through the same bounded publisher
 * and spool as everything else. docs/app-logs.md says what a thread can promise.
 * @throws RushhourError CONFIG_INVALID naming all problems of the options; pino emits it as `error` of the transport
 */
export default async function transport(options: PinoTransportOptions): Promise<Transform> {
  const settings = settingsOf(options);
  const { service, instance = hostname(), brokers, tls, sasl, bufferRecords, deadlineMs } = settings;
  const stderr = pino.destination({ dest: 2, sync: true }); // the thread ends at once, and what it still had to write with it
  const logger = createLogger(service, stderr).child({}, { level: "warn" });
  const spool = settings.spool && (await openSpoolOf(settings.spool, { service, instance }));
  const publisher = createPublisher({
    ...{ service, instance, brokers, logger, spool },
    ...{ tls, sasl, ...(bufferRecords !== undefined && { bufferRecords }) },
  });
  const publish = publisher.publishOf(APP_LOG);
  let keys: { readonly messageKey?: string | undefined; readonly errorKey?: string | undefined } = settings;
  return build(
    (source) => {
      const { messageKey, errorKey } = source as Partial<typeof settings>; // pino's own settings
      keys = { messageKey: settings.messageKey ?? messageKey, errorKey: settings.errorKey ?? errorKey };
      source.on("data", (record: AppLog) => void publish(record));
    },
    {
      metadata: false,
      expectPinoConfig: true,
      parseLine: (line) => appLogOfLine(line, { service, ...keys }) ?? null,
      close: () => publisher.close(deadlineMs),
    },
  );
}

function settingsOf(options: PinoTransportOptions) {
  const given = Object.entries(options);
  const parsed = optionsSchema.safeParse(Object.fromEntries(given.filter(([name]) => !PINOS_OWN.has(name))));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.flatMap((issue) => {
    const at = issue.path.join(".");
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((key) => `${at === "" ? key : `${at}.${key}`} is none of the options`);
    return [`${at}=${shownAt(options, issue.path)} ${issue.message}`];
  });
  throw new RushhourError(
    "CONFIG_INVALID",
    `invalid options of the transport rushhour/pino:\n${problems.map((problem) => `  ${problem}`).join("\n")}`,
  );
}

/** The value at a path as a message may show it. */
function shownAt(options: unknown, path: readonly PropertyKey[]): string {
  if (path.some((key) => key === "sasl" || key === "tls")) return "***";
  let value = options;
  for (const key of path) value = (value as Partial<Record<PropertyKey, unknown>> | undefined)?.[key];
  return value === undefined ? "(missing)" : JSON.stringify(value).slice(0, 120);
}

type SpoolSettings = NonNullable<z.output<typeof optionsSchema>["spool"]>;

function openSpoolOf(
  { folder, mode, capBytes, fsync }: SpoolSettings,
  who: { readonly service: string; readonly instance: string },
) {
  return openSpool({
    ...{ ...who, root: folder, mode },
    ...(capBytes !== undefined && { capBytes }),
    ...(fsync !== undefined && { fsync }),
  });
}
