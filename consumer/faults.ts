/** ER_BAD_NULL_ERROR: how the ingest transaction stops itself; on `ingest_offsets` it never means a bad record. */
export const VALUE_MUST_NOT_BE_NULL = 1048;

/** ER_LOCK_DEADLOCK: the server has rolled the transaction back. */
export const DEADLOCK = 1213;

/** What servers say to LOAD DATA LOCAL when `local_infile` is off: MySQL and MariaDB, older and newer. */
export const LOCAL_IS_OFF: ReadonlySet<number> = new Set([1148, 3948, 4166]);

/** Errors that the value of a row causes: sending it again never helps. */
const POISON = new Map([
  [VALUE_MUST_NOT_BE_NULL, "column cannot be null"],
  [1153, "packet too large"],
  [1264, "out of range"],
  [1265, "data truncated"],
  [1292, "incorrect value"],
  [1300, "invalid character string"],
  [1366, "incorrect value for column"],
  [1406, "data too long"],
  [1526, "no partition for the value"],
  [1690, "value out of range in expression"],
  [3140, "invalid JSON text"],
  [3157, "JSON document too deep"],
  [3819, "check constraint (MySQL)"],
  [4025, "check constraint (MariaDB)"],
]);

/** The server's error number; undefined for what happened below SQL, such as a lost connection. */
export function sqlErrorNumber(error: unknown): number | undefined {
  const { errno, sqlState } = error as { errno?: unknown; sqlState?: unknown };
  return typeof errno === "number" && typeof sqlState === "string" ? errno : undefined;
}

/** Whether a record is to blame. Everything else is an outage: it is waited out and nothing is dead-lettered. */
export function isPoison(error: unknown): boolean {
  return POISON.has(sqlErrorNumber(error) ?? 0);
}
