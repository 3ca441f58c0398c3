import { lockName, type Connection, type Row } from "./database.ts";

/** What one process at a time may do to a database: migrate it, change its partitions, keep it in order, correct its rollups. */
export type Purpose = "migrate" | "partitions" | "upkeep" | "reconcile";

/**
 * Takes the lock of `purpose` for the connection's database. It is the server's (GET_LOCK), held until {@link unlock} or until
 * the connection ends, however it ends.
 * @param waitS seconds to wait for who holds it
 * @returns whether it was taken
 */
export async function tryLock(connection: Connection, purpose: Purpose, waitS: number): Promise<boolean> {
  const name = await nameOf(connection, purpose);
  return isOne(await connection.query<Row[]>("SELECT GET_LOCK(?, ?) AS answer", [name, waitS]));
}

/** Whether the connection still holds the lock: a person may have ended it, or its server. */
export async function holdsLock(connection: Connection, purpose: Purpose): Promise<boolean> {
  const name = await nameOf(connection, purpose);
  return isOne(await connection.query<Row[]>("SELECT IS_USED_LOCK(?) = CONNECTION_ID() AS answer", [name]));
}

export async function unlock(connection: Connection, purpose: Purpose): Promise<void> {
  await connection.query("SELECT RELEASE_LOCK(?)", [await nameOf(connection, purpose)]);
}

/** Who holds the lock, for a message to whoever waited in vain: such as `connection 42 of rushhour_reader_shop (KILL 42 ends it)`. */
export async function lockHolder(connection: Connection, purpose: Purpose): Promise<string> {
  const name = await nameOf(connection, purpose);
  const [[row]] = await connection.query<Row[]>(
    `SELECT id, user FROM information_schema.PROCESSLIST WHERE id = IS_USED_LOCK(?)`,
    [name],
  );
  if (row === undefined) return "nobody any more";
  const [id, user] = Object.values(row).map(String);
  return `connection ${id} of ${user} (KILL ${id} ends it)`;
}

async function nameOf(connection: Connection, purpose: Purpose): Promise<string> {
  const [[row]] = await connection.query<Row[]>("SELECT DATABASE() AS name");
  return lockName(String(row?.["name"]), purpose);
}

const isOne = ([[row]]: [Row[], unknown]) => Number(row?.["answer"]) === 1;
