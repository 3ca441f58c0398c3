import { randomBytes } from "node:crypto";
import { keepOf, retentionSettings } from "../contract/config.ts";
import { connect, type Connection, type Row } from "../init_db/database.ts";
import { gapsView } from "../init_db/gaps-view.ts";
import { migrate, migrations, useDatabase } from "../init_db/migrate.ts";
import { RAW_TABLES } from "../init_db/partitions.ts";
import { ensureUsers, userName, type Accounts } from "../init_db/users.ts";

/** How long rows are kept unless a test says otherwise: the default. */
export const KEEP = keepOf(retentionSettings.parse({}));

/** A migrated database as the statements that make another like it: a third of the time that migrating takes. */
export interface Template {
  readonly database: string;
  readonly statements: readonly string[];
}

/** What `migrate` itself writes, but for its audit. */
const FILLED = ["schema_migrations", "retention"];

const accountsOf = (database: string): Accounts => {
  const account = (role: "writer" | "reader") => ({
    user: userName(role, database),
    password: randomBytes(12).toString("hex"),
  });
  return { writer: account("writer"), reader: account("reader") };
};

/** Migrates a database that others are copied from. */
export async function makeTemplate(serverUrl: string): Promise<Template> {
  const database = `rh_template_${randomBytes(4).toString("hex")}`;
  const url = urlOf(serverUrl, database);
  const accounts = accountsOf(database);
  await migrate(url, accounts, KEEP);
  const connection = await connect(url);
  const [rows] = await connection.query<Row[]>(
    "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE'",
  );
  const tables = rows.map(({ name }) => String(name));
  const statements = [
    ...(await Promise.all(tables.map((name) => statementOf(connection, name)))),
    ...views(),
    ...FILLED.map((name) => `INSERT INTO ${name} SELECT * FROM ${database}.${name}`),
  ];
  await dropUsers(connection, accounts);
  await connection.end();
  return { database, statements };
}

async function statementOf(connection: Connection, table: string): Promise<string> {
  const [[row]] = await connection.query<Row[]>(`SHOW CREATE TABLE ${table}`);
  return String(row?.["Create Table"]);
}

/** The newest statement of each view, after those of the views it asks. The server's own words for one are not always understood by it. */
function views(): string[] {
  const waiting = new Map<string, string>();
  for (const sql of [...migrations().map((migration) => migration.sql), gapsView(RAW_TABLES)]) {
    const name = /\bVIEW (\w+) AS$/m.exec(sql)?.[1];
    if (name !== undefined) waiting.set(name, sql);
  }
  const ordered: string[] = [];
  while (waiting.size > 0) {
    const ready = [...waiting].filter(([name, sql]) => {
      const asked = new Set(sql.replace(/^--.*$/gm, "").match(/\bv_\w+/g));
      return ![...waiting.keys()].some((other) => other !== name && asked.has(other));
    });
    if (ready.length === 0) throw new Error(`views ask each other: ${[...waiting.keys()].join(", ")}`);
    for (const [name, sql] of ready) {
      ordered.push(sql);
      waiting.delete(name);
    }
  }
  return ordered;
}

/** Makes a database like the template, with users of its own. */
export async function copyTemplate(
  { statements }: Template,
  serverUrl: string,
  database: string,
): Promise<Accounts> {
  const accounts = accountsOf(database);
  const connection = await connect(serverUrl, { database: "", multipleStatements: true });
  await useDatabase(connection, database);
  await connection.query(statements.join(";\n"));
  await ensureUsers(connection, database, accounts);
  await connection.end();
  return accounts;
}

export async function dropDatabase(serverUrl: string, database: string, accounts?: Accounts): Promise<void> {
  const connection = await connect(serverUrl, { database: "" });
  await connection.query(`DROP DATABASE ${database}`);
  if (accounts) await dropUsers(connection, accounts);
  await connection.end();
}

async function dropUsers(connection: Connection, accounts: Accounts): Promise<void> {
  for (const { user } of Object.values(accounts)) await connection.query("DROP USER ?@'%'", [user]);
}

export function urlOf(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}
