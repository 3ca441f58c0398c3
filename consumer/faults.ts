/** ER_BAD_NULL_ERROR: how the ingest transaction stops itself; on `ingest_offsets` it never means a bad record. */
export const VALUE_MUST_NOT_BE_NULL = 1048;

/** ER_LOCK_DEADLOCK: the server has rolled the transaction back. */
export const DEADLOCK = 1213;

/** What servers say to LOAD DATA LOCAL when `local_infile` is off: MySQL and MariaDB, older and newer. */
export const LOCAL_IS_OFF: ReadonlySet<number> = new Set([1148, 3948, 4166]);

/**
 * Whose fault an error of the database is.
 * - `poison`: the value of a record; sending it again never helps, so the record becomes a dead letter
 * - `outage`: the server, its disk, its locks, or rights it took away; waited out for ever
 * - `ours`: the tables are not those this program writes; waited out too, because only a person can mend that
 */
export type Fault = "poison" | "outage" | "ours";

/** A number of MySQL or MariaDB and what it says; both use the same ones below 1,900. */
const CODES: Readonly<Record<Fault, Readonly<Record<number, string>>>> = {
  poison: {
    [VALUE_MUST_NOT_BE_NULL]: "column cannot be null",
    1118: "row too large",
    1153: "packet too large",
    1264: "out of range",
    1265: "data truncated",
    1292: "incorrect value",
    1300: "invalid character string",
    1366: "incorrect value for column",
    1406: "data too long",
    1411: "incorrect value for a function",
    1441: "date or time overflows",
    1526: "no partition for the value",
    1690: "value out of range in an expression",
    3140: "invalid JSON text",
    3157: "JSON document too deep",
    3819: "check constraint (MySQL)",
    4025: "check constraint (MariaDB)",
    4038: "JSON document too deep (MariaDB)",
  },
  outage: {
    28: "the disk of the database is full",
    1020: "the row has changed since it was read",
    1021: "the disk of the database is full",
    1028: "a sort was stopped",
    1030: "error of the storage engine",
    1037: "the database is out of memory",
    1040: "too many connections",
    1041: "the database is out of memory",
    1044: "the writer may not use this database",
    1045: "the writer's password is refused",
    1053: "the database shuts down",
    1080: "the connection was ended",
    1114: "a table, or the disk below it, is full",
    1129: "the database has blocked this host",
    1130: "the database lets nobody in from this host",
    1135: "the database cannot make another thread",
    1142: "a right was taken from the writer: npx rushhour migrate gives it back",
    1143: "a right was taken from the writer: npx rushhour migrate gives it back",
    1158: "the network failed",
    1159: "the network was too slow",
    1160: "the network failed",
    1161: "the network was too slow",
    1180: "the commit failed",
    1203: "too many connections of this user",
    1205: "waited for a lock too long",
    1206: "the database has no room for more locks",
    [DEADLOCK]: "deadlock",
    1226: "too many connections or statements of this user",
    1227: "a right was taken from the writer: npx rushhour migrate gives it back",
    1290: "the database is read-only",
    1317: "the statement was stopped",
    1370: "a right was taken from the writer: npx rushhour migrate gives it back",
    1637: "too many transactions at once",
    1792: "the transaction is read-only",
    1836: "the database is read-only",
    1927: "the connection was ended (MariaDB)",
    1969: "the statement took too long (MariaDB)",
    3024: "the statement took too long (MySQL)",
    3032: "the database is offline (MySQL)",
    3100: "the commit was refused by replication (MySQL)",
    3101: "rolled back by replication (MySQL)",
    3118: "the writer's account is locked (MySQL)",
    3572: "a lock is held (MySQL)",
    4031: "the connection was idle too long (MySQL)",
    4151: "the writer's account is locked (MariaDB)",
  },
  ours: {
    1046: "no database was chosen",
    1049: "the database is gone",
    1054: "a column is missing: npx rushhour migrate",
    1064: "the statement is none to this server",
    1136: "a table has other columns",
    1146: "a table is missing: npx rushhour migrate",
    1364: "a column wants a value that this program does not know",
    1356: "a view is broken: npx rushhour migrate",
    1305: "a function is missing",
    1442: "a trigger forbids it",
    1644: "a trigger forbids it",
    1932: "a table is broken (MariaDB)",
    1812: "a tablespace is missing",
    1814: "a tablespace is discarded",
  },
};

const KNOWN = new Map(
  (Object.keys(CODES) as Fault[]).flatMap((fault) =>
    Object.entries(CODES[fault]).map(([number, says]) => [Number(number), { fault, says }] as const),
  ),
);

/** The class of SQLSTATE that names bad values ("data exception"). */
const BAD_VALUE = /^22/;

/** The server's error number; undefined for what happened below SQL, such as a lost connection. */
export function sqlErrorNumber(error: unknown): number | undefined {
  const { errno, sqlState } = error as { errno?: unknown; sqlState?: unknown };
  return typeof errno === "number" && typeof sqlState === "string" ? errno : undefined;
}

/** What is not listed is an outage, unless its SQLSTATE speaks of a bad value: waiting loses nothing, a dead letter may. */
export function faultOf(error: unknown): Fault {
  const number = sqlErrorNumber(error);
  if (number === undefined) return "outage";
  const isBadValue = BAD_VALUE.test((error as { sqlState: string }).sqlState);
  return KNOWN.get(number)?.fault ?? (isBadValue ? "poison" : "outage");
}

/** Whether a record is to blame. Everything else is waited out and nothing is dead-lettered. */
export function isPoison(error: unknown): boolean {
  return faultOf(error) === "poison";
}

/** The error's message, and where it is known what it means or what to do. */
export function explain(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const known = KNOWN.get(sqlErrorNumber(error) ?? -1);
  return known === undefined ? message : `${message} (${known.says})`;
}
