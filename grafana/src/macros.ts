/** What Grafana knows when it runs a panel's query. */
export interface QueryContext {
  readonly fromMs: number; // the range of time, Unix ms
  readonly toMs: number;
  readonly intervalSeconds: number; // what $__interval stands for
  readonly variables?: Readonly<Record<string, string | readonly string[]>>; // a string stands as it is, as a custom "All" does
}

/**
 * Panel SQL as the database gets it: what Grafana's page (variables) and its MySQL data source (macros) make of it, with
 * the same limits: a macro's arguments hold no parenthesis, times are whole seconds, both ends of the range included.
 * The fill value of $__timeGroup is the data source's own work on the answer; it leaves no trace in the SQL.
 * @throws Error for a macro, variable or interval Grafana would not know, and for SQL it refuses to run
 * @see https://grafana.com/docs/grafana/latest/datasources/mysql/query-editor/#macros
 */
export function expandMacros(sql: string, context: QueryContext): string {
  if (REFUSED.test(sql)) throw new Error(`Grafana refuses SQL that asks who the user is: ${sql}`);
  return sql
    .replace(/\$\{(\w+)(?::(\w+))?\}/g, (_, name: string, style?: string) => variable(name, style, context))
    .replaceAll("$__interval_ms", String(context.intervalSeconds * 1000))
    .replaceAll("$__interval", `${context.intervalSeconds}s`)
    .replace(/\$(\w+)\(([^)]*)\)/g, (_, name: string, list: string) =>
      macro(
        name,
        list.split(",").map((argument) => argument.trim()),
        context,
      ),
    );
}

/**
 * What $__interval stands for in a panel, seconds: the range divided by the points it may have, as a round number.
 * @param leastSeconds the panel's own minimum
 * @see https://github.com/grafana/grafana/blob/v12.4.0/packages/grafana-data/src/datetime/rangeutil.ts (roundInterval)
 */
export function intervalSeconds(rangeMs: number, maxDataPoints: number, leastSeconds: number): number {
  const exact = rangeMs / maxDataPoints / 1000;
  const round = ROUND_SECONDS.find(([below]) => exact < below)?.[1] ?? 30 * 86_400;
  return Math.max(round, leastSeconds);
}

/** Below how many seconds which number is taken. */
const ROUND_SECONDS = [
  [1.5, 1],
  [3.5, 2],
  [7.5, 5],
  [12.5, 10],
  [17.5, 15],
  [25, 20],
  [45, 30],
  [90, 60],
  [210, 120],
  [450, 300],
  [750, 600],
  [1_050, 900],
  [1_500, 1_200],
  [2_700, 1_800],
  [5_400, 3_600],
  [9_000, 7_200],
  [16_200, 10_800],
  [32_400, 21_600],
  [86_400, 43_200],
  [604_800, 86_400],
  [1_814_400, 604_800],
] as const;

/** What the data source will not run; even a column named current_user. */
const REFUSED =
  /(?:show\s+grants|[\s,](?:current_user(?:\([^)]*\))?|(?:session_|system_)?user\([^)]*\)))(?:[\s,;]|$)/im;

function variable(name: string, style: string | undefined, { variables }: QueryContext): string {
  const value = variables?.[name];
  if (value === undefined) throw new Error(`no variable is named ${name}`);
  if (typeof value === "string") return value;
  if (style !== "sqlstring") throw new Error(`\${${name}} is a list: write \${${name}:sqlstring}`);
  return value.map((item) => `'${item.replaceAll("'", "''")}'`).join(",");
}

function macro(name: string, args: readonly string[], context: QueryContext): string {
  const [from, to] = [Math.floor(context.fromMs / 1000), Math.floor(context.toMs / 1000)];
  const [column = "", interval = ""] = args;
  switch (name) {
    case "__time":
    case "__timeEpoch":
      return `UNIX_TIMESTAMP(${column}) as time_sec`;
    case "__timeFilter":
      return `${column} BETWEEN FROM_UNIXTIME(${from}) AND FROM_UNIXTIME(${to})`;
    case "__timeFrom":
      return `FROM_UNIXTIME(${from})`;
    case "__timeTo":
      return `FROM_UNIXTIME(${to})`;
    case "__timeGroup":
      return `UNIX_TIMESTAMP(${column}) DIV ${secondsOf(interval)} * ${secondsOf(interval)}`;
    case "__timeGroupAlias":
      return `${macro("__timeGroup", args, context)} AS "time"`;
    case "__unixEpochFilter":
      return `${column} >= ${from} AND ${column} <= ${to}`;
    case "__unixEpochFrom":
      return String(from);
    case "__unixEpochTo":
      return String(to);
    case "__unixEpochGroup":
      return `${column} DIV ${secondsOf(interval)} * ${secondsOf(interval)}`;
    case "__unixEpochGroupAlias":
      return `${macro("__unixEpochGroup", args, context)} AS "time"`;
    default:
      throw new Error(`Grafana's MySQL data source has no macro $${name}`);
  }
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

function secondsOf(interval: string): number {
  const [, count, unit] = /^['"]?(\d+)([smhd])['"]?$/.exec(interval) ?? [];
  if (count === undefined || unit === undefined)
    throw new Error(`${interval} is no interval such as 5s or '1m'`);
  return Number(count) * UNIT_SECONDS[unit]!;
}
