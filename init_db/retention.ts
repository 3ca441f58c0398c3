import type { Connection, Row } from "./database.ts";

/** What has an age of its own: the raw rows, and the rollups of each level (`1h` with the errors, `1d` with the users). */
export const KEPT = ["api_logs", "10s", "1m", "1h", "1d"] as const;
export type Kept = (typeof KEPT)[number];

/** How long each is kept, in seconds. */
export type Keep = Readonly<Record<Kept, number>>;

/** From when on each is kept, Unix seconds. */
export type Bounds = Readonly<Record<Kept, number>>;

const DAY_S = 86_400;

/** Whole days (UTC) are dropped: a bound is the start of the day that lies `keep` before now. */
export function boundsAt(keep: Keep, nowMs: number): Bounds {
  return record((name) => Math.max(0, Math.floor((nowMs / 1_000 - keep[name]) / DAY_S) * DAY_S));
}

/** Of two bounds the later one: a bound never falls. */
export function laterOf(one: Bounds, other: Bounds): Bounds {
  return record((name) => Math.max(one[name], other[name]));
}

/** Beyond this a clock is wrong, and what a wrong one drops is gone. */
const CLOCKS_APART_MS = 3_600_000;

/** Now by the database's clock, Unix ms. @throws Error when this machine's says something else */
export async function agreedNowMs(connection: Connection): Promise<number> {
  const [[row]] = await connection.query<Row[]>("SELECT UNIX_TIMESTAMP(NOW(3)) AS now_s");
  const nowMs = Number(row?.["now_s"]) * 1_000;
  if (Math.abs(nowMs - Date.now()) <= CLOCKS_APART_MS) return nowMs;
  throw new Error(
    `the database says it is ${new Date(nowMs).toISOString()}, this machine ${new Date().toISOString()}: set the wrong clock right; until then nothing is dropped`,
  );
}

export const SELECT_BOUNDS = "SELECT name, kept_from_s FROM retention";

/** The bounds that {@link SELECT_BOUNDS} found; 0 for what has none yet. */
export function boundsIn(rows: readonly Row[]): Bounds {
  const stored = new Map(rows.map((row) => [row["name"], Number(row["kept_from_s"])]));
  return record((name) => stored.get(name) ?? 0);
}

/** The bounds that hold now. */
export async function readBounds(connection: Connection): Promise<Bounds> {
  const [rows] = await connection.query<Row[]>(SELECT_BOUNDS);
  return boundsIn(rows);
}

/**
 * Raises the bounds to what `keep` says now, and never lowers one: what is older may have been dropped, and with it the twin
 * that a redelivered record would have found. Committed before any partition is dropped. Writes only what changes, because each
 * ingest transaction reads the bound of api_logs.
 * @returns the bounds that hold afterwards
 */
export async function raiseBounds(connection: Connection, keep: Keep, nowMs: number): Promise<Bounds> {
  const [rows] = await connection.query<Row[]>("SELECT name, keep_s, kept_from_s FROM retention");
  const stored = new Map(rows.map((row) => [row["name"], row]));
  const raised = boundsAt(keep, nowMs);
  for (const name of KEPT) {
    const row = stored.get(name);
    if (Number(row?.["keep_s"]) === keep[name] && Number(row?.["kept_from_s"]) >= raised[name]) continue;
    await connection.query(
      `INSERT INTO retention (name, keep_s, kept_from_s) VALUES (?, ?, ?)
       ON DUPLICATE KEY UPDATE keep_s = VALUES(keep_s), kept_from_s = GREATEST(kept_from_s, VALUES(kept_from_s))`,
      [name, keep[name], raised[name]],
    );
  }
  return readBounds(connection);
}

/** Gives bounds to what has none yet; the others stay as they are. */
export async function seedBounds(connection: Connection, keep: Keep, nowMs: number): Promise<void> {
  const bounds = boundsAt(keep, nowMs);
  await connection.query(
    "INSERT INTO retention (name, keep_s, kept_from_s) VALUES ? ON DUPLICATE KEY UPDATE name = retention.name",
    [KEPT.map((name) => [name, keep[name], bounds[name]])],
  );
}

const record = (valueOf: (name: Kept) => number) =>
  Object.fromEntries(KEPT.map((name) => [name, valueOf(name)])) as Record<Kept, number>;
