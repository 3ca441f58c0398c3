import type { Connection, Row } from "./database.ts";

const DAY_MS = 86_400_000;

/** Days kept ready ahead of now, so that a consumer without a migrator near it never reaches the catch-all. */
export const DAYS_AHEAD = 14;

/** Holds rows later than the last day made; empty unless nobody made days for {@link DAYS_AHEAD} days. */
export const CATCH_ALL = "p_future";

/**
 * Splits today and the days ahead off the catch-all partition of `api_logs`. The first day made also holds whatever is older.
 * Idempotent; waits at most 5 s for a long reader and then throws the server's lock-wait error.
 * @returns names of the partitions made, such as p20261121
 */
export async function ensureDayPartitions(connection: Connection, now = new Date()): Promise<string[]> {
  const [rows] = await connection.query<Row[]>(
    `SELECT PARTITION_NAME AS name FROM information_schema.PARTITIONS
      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'api_logs' ORDER BY PARTITION_NAME`,
  );
  const existing = rows.map((row) => String(row["name"]));
  const newest = existing.filter((name) => name !== CATCH_ALL).at(-1) ?? "";
  const today = Math.floor(now.getTime() / DAY_MS) * DAY_MS;
  const days = Array.from({ length: DAYS_AHEAD + 1 }, (_, n) => today + n * DAY_MS).filter(
    (day) => nameOf(day) > newest,
  );
  if (days.length === 0) return [];

  const parts = days.map((day) => `PARTITION ${nameOf(day)} VALUES LESS THAN ('${dateOf(day + DAY_MS)}')`);
  await connection.query("SET SESSION lock_wait_timeout = 5");
  await connection.query(
    `ALTER TABLE api_logs REORGANIZE PARTITION ${CATCH_ALL} INTO (${parts.join(", ")}, PARTITION ${CATCH_ALL} VALUES LESS THAN (MAXVALUE))`,
  );
  return days.map(nameOf);
}

const dateOf = (ms: number) => new Date(ms).toISOString().slice(0, 10);
const nameOf = (ms: number) => `p${dateOf(ms).replaceAll("-", "")}`;
