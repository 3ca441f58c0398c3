import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { dirtSetting } from "./dirt.ts";
import { messageOf, RushhourError } from "./errors.ts";
import { inOneLine } from "./harmless.ts";
import { pemProblem } from "./tls.ts";
import { checkTransport, kafkaTransport, mysqlTransport } from "./transport.ts";
import { ageSetting, durationSetting, rateOrMaxSetting, rateSetting, sizeSetting } from "./units.ts";

const port = z.coerce
  .number("must be a port from 0 to 65535 (0 takes a free one)")
  .int("must be a port from 0 to 65535 (0 takes a free one)")
  .min(0, "must be a port from 0 to 65535 (0 takes a free one)")
  .max(65_535, "must be a port from 0 to 65535 (0 takes a free one)");

const host = z.string().min(1);

const text = (most: number) => z.string().max(most, `must have ${most} characters at most`);

const brokers = z
  .string()
  .regex(
    /^(?:\[[^\]]+\]|[^\s:,/]+):\d{1,5}(?:,(?:\[[^\]]+\]|[^\s:,/]+):\d{1,5})*$/,
    "must be host:port, several parted by commas, such as 127.0.0.1:9092",
  )
  .transform((list) => list.split(","));

/** TLS for all three URLs is MYSQL_TLS; a single one may bring its own, as `overTls` of init_db/ writes it. */
const mysqlUrl = z.string().superRefine((value, context) => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const report = (message: string) => context.addIssue({ code: "custom", message });
  if (url?.protocol !== "mysql:" || url.hostname === "" || !/^\/?[A-Za-z0-9_$-]{0,64}$/.test(url.pathname))
    return report("must look like mysql://user:password@host:3306/database");
  if (!/^(\?tls=on(&tls-ca=[^&]+)?)?$/.test(url.search))
    return report(
      "takes nothing behind the database's name but ?tls=on&tls-ca=/path; better, set MYSQL_TLS=on",
    );
  const ca = url.searchParams.get("tls-ca");
  const problem = ca === null ? undefined : pemProblem(ca, "certificates");
  if (problem !== undefined) report(`names a tls-ca that ${problem}`);
});

const count = (rule: string, min: number, max: number) =>
  z.coerce.number(rule).int(rule).min(min, rule).max(max, rule);

const seed = count("must be a whole number from 0 to 4294967295", 0, 2 ** 32 - 1);

/** Where the state of this checkout lives: engines' data, credentials, tallies of runs. */
const home = z.string().min(1).default(".rushhour");

const REPLICATION =
  "must be auto (each partition on as many brokers as there are, up to 3) or a whole number from 1 to 9";

export const kafkaSettings = z.object({
  RUSHHOUR_HOME: home,
  KAFKA_BROKERS: brokers.optional(), // see cli/servers.ts for what stands in
  ...kafkaTransport,
  KAFKA_PARTITIONS: count("must be a whole number from 1 to 1000", 1, 1000).optional(), // see allTopics
  KAFKA_REPLICATION: z.union([z.literal("auto"), count(REPLICATION, 1, 9)], REPLICATION).default("auto"),
  RUSHHOUR_SPOOL_DIR: z.string().min(1).optional(), // see spoolRoot
});

/** In it each publisher has a folder of its own for what Kafka has not taken. */
export const spoolRoot = (settings: {
  readonly RUSHHOUR_HOME: string;
  readonly RUSHHOUR_SPOOL_DIR?: string | undefined;
}): string => settings.RUSHHOUR_SPOOL_DIR ?? join(settings.RUSHHOUR_HOME, "spool");

/** The owner's URL migrates; writer and reader default to the users that `migrate` made. */
export const sqlSettings = z.object({
  RUSHHOUR_HOME: home,
  MYSQL_URL: mysqlUrl.optional(),
  MYSQL_WRITER_URL: mysqlUrl.optional(),
  MYSQL_READER_URL: mysqlUrl.optional(),
  ...mysqlTransport,
});

const KEPT_BY_DEFAULT = {
  RETENTION_RAW: "35d",
  RETENTION_10S: "48h",
  RETENTION_1M: "90d",
  RETENTION_1H: "730d",
  RETENTION_1D: "3650d",
} as const;
type RetentionKey = keyof typeof KEPT_BY_DEFAULT;

const keptFor = (key: RetentionKey) => ageSetting.prefault(KEPT_BY_DEFAULT[key]);

/** How long rows are kept: raw ones, and the rollups of each level. See {@link checkRetention}. */
export const retentionSettings = z.object({
  RETENTION_RAW: keptFor("RETENTION_RAW"),
  RETENTION_10S: keptFor("RETENTION_10S"),
  RETENTION_1M: keptFor("RETENTION_1M"),
  RETENTION_1H: keptFor("RETENTION_1H"),
  RETENTION_1D: keptFor("RETENTION_1D"),
});

const DAY_MS = 86_400_000;
const MOST_RAW_DAYS = 400; // a partition each

/** Each is checked against the one before it (v_rollup_drift), so it is kept as long at least. */
const CHECKED: readonly RetentionKey[] = ["RETENTION_RAW", "RETENTION_1M", "RETENTION_1H", "RETENTION_1D"];

/** The rules that tie retention settings together, wherever they are read. */
function checkRetention(ages: Readonly<Record<string, unknown>>, context: z.RefinementCtx): void {
  const days = (key: RetentionKey) => Number(ages[key]) / DAY_MS; // NaN for what is not read, or wrong by itself
  const report = (key: RetentionKey, message: string) =>
    context.addIssue({ code: "custom", path: [key], message });

  if (days("RETENTION_RAW") > MOST_RAW_DAYS) {
    report("RETENTION_RAW", `must be at most ${MOST_RAW_DAYS}d: each day is a partition`);
  }
  for (const [n, longer] of CHECKED.slice(1).entries()) {
    const shorter = CHECKED[n]!;
    if (!(days(shorter) > days(longer))) continue;
    if (ages[longer] === ageSetting.parse(KEPT_BY_DEFAULT[longer])) {
      report(shorter, `must be at most ${longer} (${days(longer)}d), which is checked against it`);
    } else {
      report(longer, `must be at least ${shorter} (${days(shorter)}d), against which it is checked`);
    }
  }
}

/** Without a key of its own anybody could work out which of a thousand user ids a pseudonym stands for. */
function checkPrivacy(settings: Readonly<Record<string, unknown>>, context: z.RefinementCtx): void {
  if (settings["API_USER_ID"] !== "hash" || settings["API_PII_KEY"] !== undefined) return;
  const message =
    "must be set for API_USER_ID=hash: 16 to 256 characters, such as openssl rand -hex 16 writes";
  context.addIssue({ code: "custom", path: ["API_PII_KEY"], message });
}

/** Seconds each is kept, by its name in the table `retention`. */
export function keepOf(ages: z.output<typeof retentionSettings>) {
  return {
    api_logs: ages.RETENTION_RAW / 1_000,
    "10s": ages.RETENTION_10S / 1_000,
    "1m": ages.RETENTION_1M / 1_000,
    "1h": ages.RETENTION_1H / 1_000,
    "1d": ages.RETENTION_1D / 1_000,
  };
}

const TOKEN = "must be 16 to 256 printable characters without a space, such as openssl rand -hex 16 writes";

/** What opens `/__admin` of an API: the API asks for it, and who controls its faults sends it. */
export const adminSettings = z.object({
  API_ADMIN_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]{16,256}$/, TOKEN)
    .optional(),
});

/** What opens ingestion at the API; whoever sends logs to it sends the token along. */
const ingestSettings = z.object({
  API_INGEST_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]{16,256}$/, TOKEN)
    .optional(),
  API_INGEST_RATE: rateSetting.prefault("1000/s"), // requests of each client
});

const SPOOL =
  "must be off (records are in memory only), spill (on disk what Kafka does not take) or always (on disk before a response ends)";
const FSYNC = "must be never (the system decides), interval (each 50 ms) or always (before a response ends)";

/** What a publisher keeps on disk of what Kafka has not taken (docs/spool.md). */
const spoolSettings = z.object({
  RUSHHOUR_SPOOL: z.enum(["off", "spill", "always"], SPOOL).default("spill"),
  RUSHHOUR_SPOOL_MAX: sizeSetting.prefault("1GiB"),
  RUSHHOUR_SPOOL_FSYNC: z.enum(["never", "interval", "always"], FSYNC).default("never"),
});

/** What the shop is made of; each can be a process of its own. Payments belong to orders. */
export const SHOP_SERVICES = ["users", "products", "orders", "inventory", "auth"] as const;
export type ShopService = (typeof SHOP_SERVICES)[number];

const SERVICES = `must be some of ${SHOP_SERVICES.join(", ")}, parted by commas`;
const isShopService = (name: string): name is ShopService => SHOP_SERVICES.some((known) => known === name);

const shopServices = z
  .string()
  .refine((list) => list.split(",").every(isShopService), SERVICES)
  .transform((list) => SHOP_SERVICES.filter((name) => list.split(",").includes(name)));

const REDIS =
  "must look like redis://127.0.0.1:6379, redis://user:password@host:6379/0 or, for TLS, rediss://…";

const redisUrl = z.string().refine((value) => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !/^rediss?:$/.test(url.protocol) || url.hostname === "") return false;
  return (
    /^\/?\d{0,4}$/.test(url.pathname + url.search + url.hash) && isDecodable(url.username + url.password)
  );
}, REDIS);

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

export const apiSettings = z.object({
  ...kafkaSettings.shape,
  ...spoolSettings.shape,
  ...adminSettings.shape,
  ...ingestSettings.shape,
  API_HOST: host.default("127.0.0.1"),
  API_PORT: port.default(8000),
  API_REUSE_PORT: z
    .enum(["on", "off"], "must be on (another API of this user may have the same port) or off")
    .default("off"),
  API_MODEL: z
    .enum(["realistic", "off"], "must be realistic (latency and errors as in production) or off")
    .default("realistic"),
  API_SEED: seed.default(1),
  API_MASK_IP: z.enum(["yes", "no"], "must be yes or no").default("no"),
  API_SIM_HEADERS: z
    .enum(["on", "off"], "must be on (a request may ask for its own delay and error) or off")
    .default("off"),
  API_RATE_LIMIT: rateSetting.optional(), // of each client; none: not limited
  API_USER_ID: z.enum(["keep", "drop", "hash"], "must be keep, drop or hash (a pseudonym)").default("keep"),
  API_PII_KEY: z
    .string()
    .regex(/^[\x21-\x7e]{16,256}$/, TOKEN)
    .optional(), // of the pseudonyms
  API_REDACT: z
    .enum(["on", "off"], "must be on (secrets, e-mail addresses and card numbers become ***) or off")
    .default("off"),
  API_SERVICE: shopServices.prefault(SHOP_SERVICES.join(",")),
  API_SESSION_KEY: z
    .string()
    .regex(/^[\x21-\x7e]{16,256}$/, TOKEN)
    .optional(), // signs the tokens of sessions; none: one of the process's own
  REDIS_URL: redisUrl.optional(), // what several APIs share; none: each keeps its own
  API_BUFFER_RECORDS: count("must be a whole number from 100 to 10000000", 100, 10_000_000).default(100_000),
  RUSHHOUR_INSTANCE: text(128).optional(),
});

export const consumerSettings = z.object({
  ...kafkaSettings.shape,
  ...sqlSettings.shape,
  ...retentionSettings.shape,
  CONSUMER_HOST: host.default("127.0.0.1"),
  CONSUMER_PORT: port.default(8082),
  CONSUMER_GROUP: text(255).default("rushhour"),
  CONSUMER_INCIDENTS: z
    .enum(["on", "off"], "must be on (incidents of kind consumer-lag slow it down) or off")
    .default("on"),
  CONSUMER_BREAKER_RECORDS: count(
    "must be a whole number from 0 to 1000000000: dead letters of a topic within a minute that pause it, 0 never",
    0,
    1_000_000_000,
  ).default(1_000),
  RUSHHOUR_INSTANCE: text(128).optional(),
});

export const producerSettings = z.object({
  ...kafkaSettings.shape,
  PRODUCER_RATE: rateOrMaxSetting.prefault("50/s"),
  PRODUCER_DIRTY: dirtSetting.optional(),
  PRODUCER_COUNT: count("must be a whole number from 1 to 1000000000", 1, 1_000_000_000).optional(),
  PRODUCER_DURATION: durationSetting.optional(),
  PRODUCER_SEED: seed.default(1),
  PRODUCER_HOST: host.default("127.0.0.1"),
  PRODUCER_PORT: port.optional(),
});

export const tailSettings = z.object({
  ...kafkaSettings.shape,
  RUSHHOUR_SPOOL_MAX: spoolSettings.shape.RUSHHOUR_SPOOL_MAX,
  RUSHHOUR_SPOOL_FSYNC: spoolSettings.shape.RUSHHOUR_SPOOL_FSYNC,
  TAIL_SERVICE: text(64).default("web"),
  RUSHHOUR_INSTANCE: text(128).optional(),
});

export { seed as seedSetting };

/** Flags (undefined when not given) by the name of the variable they override. */
export type Flags = Readonly<Record<string, { readonly flag: string; readonly value: string | undefined }>>;

/**
 * Reads one role's settings: flag, else variable, else the file named by `<VARIABLE>_FILE`, else the default.
 * @throws RushhourError CONFIG_INVALID naming every problem at once, before anything opens
 */
export function readSettings<S extends z.ZodObject>(
  schema: S,
  env: Readonly<Record<string, string | undefined>> = process.env,
  flags: Flags = {},
): z.output<S> {
  const problems: string[] = [];
  const input: Record<string, string> = {};
  const named: Record<string, string> = {};
  for (const key of Object.keys(schema.shape)) {
    const flag = flags[key];
    named[key] = flag?.value === undefined ? key : flag.flag;
    const value = flag?.value ?? (env[key] || fromFile(key, env, problems)); // an empty variable is not set
    if (value !== undefined && value !== "") input[key] = value;
  }
  const parsed = schema
    .superRefine(checkRetention, { when: () => true })
    .superRefine(checkTransport, { when: () => true })
    .superRefine(checkPrivacy, { when: () => true })
    .safeParse(input);
  for (const issue of parsed.error?.issues ?? []) {
    const key = String(issue.path[0]);
    problems.push(`${named[key] ?? key}=${shownValue(key, input[key])} ${issue.message}`);
  }
  if (problems.length > 0 || !parsed.success) {
    throw new RushhourError(
      "CONFIG_INVALID",
      `invalid configuration:\n${problems.map((p) => `  ${p}`).join("\n")}`,
    );
  }
  return parsed.data;
}

function fromFile(
  key: string,
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
): string | undefined {
  const path = env[`${key}_FILE`];
  if (path === undefined || path === "") return undefined;
  try {
    const value = readFileSync(path, "utf8").trim();
    if (value === "") problems.push(`${key}_FILE=${path} is empty: write the value to it, or leave it out`);
    return value;
  } catch (error) {
    problems.push(`${key}_FILE=${path} cannot be read: ${messageOf(error)}`);
    return undefined;
  }
}

/** The value of a setting as a message may show it. */
function shownValue(key: string, value: string | undefined): string {
  const isSecret = /_(?:TOKEN|PASSWORD|PII_KEY|SESSION_KEY)$/.test(key) || value?.includes("-----BEGIN"); // a key, in place of its path
  if (isSecret) return value === undefined ? "(not set)" : "***";
  return shorten(inOneLine(redact(value ?? "")));
}

const MOST_SHOWN = 120;

function shorten(value: string): string {
  return value.length <= MOST_SHOWN ? value : `${value.slice(0, MOST_SHOWN)}…`;
}

/** Passwords in URLs never reach a message, nor do those whose "/" or "@" makes it no URL. */
export function redact(value: string): string {
  const isWebAddress = /^https?:/.test(value) && URL.canParse(value); // which may have an "@" in its path
  return value.replace(isWebAddress ? /\/\/([^:@/?#]*):[^/?#]*@/ : /\/\/([^:@/]*):.*@/s, "//$1:***@");
}
