import type { Command } from "commander";
import { z } from "zod";
import { kafkaSettings, readSettings, sqlSettings } from "../contract/config.ts";
import { RushhourError } from "../contract/errors.ts";
import { momentSetting } from "../contract/moment.ts";
import { REJECT_REASONS } from "../contract/record.ts";
import type { Connection, Row } from "../init_db/database.ts";

const LIMIT_RULE = "must be a whole number from 1 to 1000000";

const filterSettings = (now: Date) =>
  z.object({
    ...kafkaSettings.shape,
    ...sqlSettings.shape,
    DEAD_LETTERS_TOPIC: z
      .string()
      .regex(/^[\w.-]{1,249}$/, "must be the name of a topic")
      .optional(),
    DEAD_LETTERS_REASON: z.enum(REJECT_REASONS, `must be one of ${REJECT_REASONS.join(", ")}`).optional(),
    DEAD_LETTERS_SINCE: momentSetting(now).optional(),
    DEAD_LETTERS_UNTIL: momentSetting(now).optional(),
    DEAD_LETTERS_RUN: z.string().max(64, "must be the id of a run, 64 characters at most").optional(),
    DEAD_LETTERS_LIMIT: z.coerce
      .number(LIMIT_RULE)
      .int(LIMIT_RULE)
      .min(1, LIMIT_RULE)
      .max(1_000_000, LIMIT_RULE)
      .optional(),
  });

export type FilterSettings = z.output<ReturnType<typeof filterSettings>>;

export interface FilterOptions {
  readonly topic?: string;
  readonly reason?: string;
  readonly since?: string;
  readonly until?: string;
  readonly run?: string;
  readonly limit?: string;
}

/** The options by which dead letters are chosen. @param limited what the limit leaves */
export function withFilter(command: Command, limited: string): Command {
  return command
    .option("--topic <name>", "only of this topic")
    .option("--reason <reason>", `only these: ${REJECT_REASONS.join(", ")}`)
    .option("--since <time>", "set aside at this time or later, such as now-1h or 2026-11-21")
    .option("--until <time>", "set aside before this time")
    .option("--run <id>", "only of this run of the simulator")
    .option("--limit <n>", limited);
}

export function readFilter(options: FilterOptions): FilterSettings {
  return readSettings(filterSettings(new Date()), process.env, {
    DEAD_LETTERS_TOPIC: { flag: "--topic", value: options.topic },
    DEAD_LETTERS_REASON: { flag: "--reason", value: options.reason },
    DEAD_LETTERS_SINCE: { flag: "--since", value: options.since },
    DEAD_LETTERS_UNTIL: { flag: "--until", value: options.until },
    DEAD_LETTERS_RUN: { flag: "--run", value: options.run },
    DEAD_LETTERS_LIMIT: { flag: "--limit", value: options.limit },
  });
}

/** What was chosen, as flags and ids, such as `--topic info-logs --limit 30`; none: `all`. */
export function flagsOf(settings: FilterSettings, ids: readonly number[]): string {
  const flags = Object.entries({
    ...{ topic: settings.DEAD_LETTERS_TOPIC, reason: settings.DEAD_LETTERS_REASON },
    ...{ since: settings.DEAD_LETTERS_SINCE, until: settings.DEAD_LETTERS_UNTIL },
    ...{ run: settings.DEAD_LETTERS_RUN, limit: settings.DEAD_LETTERS_LIMIT },
  }).flatMap(([name, value]) => {
    if (value === undefined) return [];
    return [`--${name} ${value instanceof Date ? value.toISOString() : value}`];
  });
  return [...ids, ...flags].join(" ") || "all";
}

/** A condition of SQL and its values. */
export interface Condition {
  readonly sql: string;
  readonly params: readonly unknown[];
}

export function conditionOf(settings: FilterSettings, ids: readonly number[] = []): Condition {
  const parts: (readonly [sql: string, value: unknown])[] = [
    ["topic = ?", settings.DEAD_LETTERS_TOPIC],
    ["reason = ?", settings.DEAD_LETTERS_REASON],
    ["stored_at >= ?", settings.DEAD_LETTERS_SINCE],
    ["stored_at < ?", settings.DEAD_LETTERS_UNTIL],
    ["run_id = ?", settings.DEAD_LETTERS_RUN],
    ["id IN (?)", ids.length > 0 ? ids : undefined],
  ];
  const given = parts.filter(([, value]) => value !== undefined);
  return {
    sql: given.length > 0 ? given.map(([sql]) => sql).join(" AND ") : "TRUE",
    params: given.map(([, value]) => value),
  };
}

/** @throws RushhourError CONFIG_INVALID naming those that are no ids */
export function idsOf(texts: readonly string[]): number[] {
  const wrong = texts.filter((text) => !/^[1-9]\d{0,14}$/.test(text));
  if (wrong.length === 0) return texts.map(Number);
  throw new RushhourError(
    "CONFIG_INVALID",
    `${wrong.join(", ")} ${wrong.length === 1 ? "is no id" : "are no ids"} of a dead letter: npx rushhour dead-letters list shows them, such as 17`,
  );
}

/** A dead letter as a command found it; what is set aside later is not part of it. */
export interface Found {
  readonly id: number;
  readonly topic: string;
  readonly bytes: number;
}

/** Oldest first. */
export async function findLetters(
  connection: Connection,
  { sql, params }: Condition,
  limit: number | undefined,
): Promise<Found[]> {
  const [rows] = await connection.query<Row[]>(
    `SELECT id, topic, COALESCE(LENGTH(value), 0) AS bytes FROM dead_letters WHERE ${sql} ORDER BY id ${limit === undefined ? "" : "LIMIT ?"}`,
    [...params, ...(limit === undefined ? [] : [limit])],
  );
  return rows.map(({ id, topic, bytes }) => ({
    id: Number(id),
    topic: String(topic),
    bytes: Number(bytes),
  }));
}

/** Such as `1,204 of info-logs and 3 of error-logs`. */
export function byTopic(letters: readonly Pick<Found, "topic">[]): string {
  const counts = new Map<string, number>();
  for (const { topic } of letters) counts.set(topic, (counts.get(topic) ?? 0) + 1);
  return [...counts].map(([topic, count]) => `${count.toLocaleString("en")} of ${topic}`).join(", ");
}
