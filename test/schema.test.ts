import { drizzle } from "drizzle-orm/mysql2";
import { getTableConfig, type MySqlTable } from "drizzle-orm/mysql-core";
import { expect, test } from "vitest";
import * as schema from "../init_db/schema.ts";
import { openTestDatabase, rowsOf } from "./harness.ts";

const tables: readonly MySqlTable[] = Object.values(schema);

/** One spelling for what MySQL, MariaDB and Drizzle each write in their own way. */
function spelled(type: string): string {
  return type
    .toLowerCase()
    .replace(/^boolean$/, "tinyint(1)")
    .replace(/^(bigint|int|smallint|tinyint)\(\d+\)/, "$1")
    .replace(/^json$/, "longtext") // MariaDB's JSON
    .replaceAll(", ", ",");
}

test("the Drizzle mirror equals the migrated database, column by column and key by key", async () => {
  const { pool, name } = await openTestDatabase();
  const columns = await rowsOf(
    pool,
    `SELECT TABLE_NAME AS t, COLUMN_NAME AS c, COLUMN_TYPE AS type, IS_NULLABLE AS nullable
       FROM information_schema.COLUMNS JOIN information_schema.TABLES USING (TABLE_SCHEMA, TABLE_NAME)
      WHERE TABLE_SCHEMA = ? AND TABLE_TYPE = 'BASE TABLE' AND TABLE_NAME <> 'schema_migrations'`,
    [name],
  );
  const migrated = columns.map(
    ({ t, c, type, nullable }) =>
      `${t as string}.${c as string} ${spelled(type as string)} ${nullable as string}`,
  );
  const mirrored = tables.flatMap((table) => {
    const config = getTableConfig(table);
    const inKey = new Set(config.primaryKeys.flatMap((key) => key.columns.map((column) => column.name)));
    return config.columns.map((column) => {
      const isNullable = !(column.notNull || column.primary || inKey.has(column.name));
      return `${config.name}.${column.name} ${spelled(column.getSQLType())} ${isNullable ? "YES" : "NO"}`;
    });
  });
  expect(mirrored.sort()).toEqual(migrated.sort());

  const statistics = await rowsOf(
    pool,
    `SELECT TABLE_NAME AS t, INDEX_NAME AS i, GROUP_CONCAT(COLUMN_NAME ORDER BY SEQ_IN_INDEX) AS c
       FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND TABLE_NAME <> 'schema_migrations' GROUP BY 1, 2`,
    [name],
  );
  const migratedKeys = statistics.map(({ t, i, c }) => `${t as string} ${i as string} ${c as string}`);
  const mirroredKeys = tables.flatMap((table) => {
    const config = getTableConfig(table);
    const named = (key: string, names: readonly string[]) => `${config.name} ${key} ${names.join(",")}`;
    const single = config.columns
      .filter((column) => column.primary)
      .map((column) => named("PRIMARY", [column.name]));
    return [
      ...single,
      ...config.primaryKeys.map((key) =>
        named(
          "PRIMARY",
          key.columns.map((column) => column.name),
        ),
      ),
      ...config.uniqueConstraints.map((key) =>
        named(
          key.name ?? "",
          key.columns.map((column) => column.name),
        ),
      ),
      ...config.indexes.map(({ config: key }) =>
        named(
          key.name,
          key.columns.map((column) => (column as { name: string }).name),
        ),
      ),
    ];
  });
  expect(mirroredKeys.sort()).toEqual(migratedKeys.sort());
});

test("a row written in SQL is read typed through the mirror", async () => {
  const { pool } = await openTestDatabase();
  await pool.query(
    `INSERT INTO api_logs (request_id, timestamp, level, service, endpoint, method, status_code, response_time_ms)
     VALUES ('r1', '2026-01-02 03:04:05.678', 'INFO', 'orders', '/orders', 'GET', 200, 1.5)`,
  );
  const [row] = await drizzle(pool).select().from(schema.apiLogs);
  expect(row).toMatchObject({
    requestId: "r1",
    timestamp: new Date("2026-01-02T03:04:05.678Z"),
    level: "INFO",
    statusCode: 200,
    responseTimeMs: 1.5,
    extra: null,
  });
});
