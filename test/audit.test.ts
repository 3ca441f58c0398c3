import { randomUUID } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { writeAudit } from "../init_db/audit.ts";
import { connect } from "../init_db/database.ts";
import { migrate } from "../init_db/migrate.ts";
import { openAuditTrail } from "../producer/audit-trail.ts";
import {
  freshTopics,
  KEEP,
  numberOf,
  openTestDatabase,
  rowsOf,
  runCli,
  silent,
  startRole,
  startTestConsumer,
  testBrokers,
  testKafka,
  until,
} from "./harness.ts";

const aFault = (id: string) => ({ id, kind: "slow", for_ms: 60_000, latency_median_ms: 1 });

const ROWS = "SELECT actor, via, action, target, result FROM audit_log WHERE action <> 'migrate' ORDER BY at";

test("faults started and ended at an API are rows that say who, what and how it went", async () => {
  await freshTopics();
  const { pool, writerUrl, readerUrl } = await openTestDatabase();
  startTestConsumer({ writerUrl });
  const token = "0123456789abcdef";
  const api = await startRole(["api", "--port", "0", "--model", "off"], { API_ADMIN_TOKEN: token });
  const ask = async (method: string, path: string, body?: object) => {
    const response = await fetch(`${api.url}/__admin/faults${path}`, {
      method,
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      ...(body && { body: JSON.stringify(body) }),
    });
    await response.text();
    return response.status;
  };
  expect(await ask("POST", "", aFault("f1"))).toBe(201);
  expect(await ask("DELETE", "/f1")).toBe(200);
  expect(await ask("DELETE", "/nobody")).toBe(404);
  expect(await ask("PUT", "", { faults: [aFault("f2")] })).toBe(200);
  expect(await ask("DELETE", "")).toBe(200);
  await until("five rows", async () => (await rowsOf(pool, ROWS)).length === 5);
  const who = { actor: "127.0.0.1", via: "api" };
  expect(await rowsOf(pool, ROWS)).toEqual([
    { ...who, action: "fault.start", target: "f1", result: "done" },
    { ...who, action: "fault.end", target: "f1", result: "done" },
    { ...who, action: "fault.end", target: "nobody", result: "refused" },
    { ...who, action: "fault.replace", target: "all", result: "done" },
    { ...who, action: "fault.end", target: "all", result: "done" },
  ]);
  const shown = await runCli(
    ["sql", "--format", "json", "SELECT action, detail FROM v_audit WHERE target = 'f1'"],
    {
      MYSQL_READER_URL: readerUrl,
    },
  );
  expect(shown.stdout).toContain("latency_median_ms");
  expect(JSON.stringify(await rowsOf(pool, "SELECT * FROM audit_log"))).not.toContain(token);
});

test("what is changed of a run through its control is a row, and so is a wrong token", async () => {
  await freshTopics();
  const { pool, writerUrl, readerUrl } = await openTestDatabase();
  startTestConsumer({ writerUrl });
  const token = "fedcba9876543210";
  const api = await startRole(["api", "--port", "0", "--model", "off"], {});
  const load = ["--target", api.url, "--rate", "5/s", "-d", "5m", "--seed", "1"];
  const run = await startRole(["simulate", ...load, "--control", "0", "--quiet"], {
    ...{ SIMULATOR_CONTROL_TOKEN: token, MYSQL_READER_URL: readerUrl },
  });
  const ask = async (method: string, path: string, body?: object, sent = token) => {
    const response = await fetch(`${run.url}/v1${path}`, {
      method,
      headers: { "content-type": "application/json", authorization: `Bearer ${sent}` },
      ...(body && { body: JSON.stringify(body) }),
    });
    await response.text();
    return response.status;
  };
  expect(await ask("PATCH", "/run", { rate_factor: 2 }, `${token}0`)).toBe(401);
  expect(await ask("PATCH", "/run", { rate_factor: 2 })).toBe(200);
  expect(await ask("PATCH", "/run", { rate_factor: 0 })).toBe(400); // changes nothing
  expect(await ask("POST", "/faults", { name: "slow", kind: "slow", for: "1m" })).toBe(201);
  expect(await ask("DELETE", "/faults/slow")).toBe(200);
  expect(await ask("DELETE", "/faults/slow")).toBe(404);
  expect(await ask("POST", "/stop")).toBe(202);
  const rows = () => rowsOf(pool, ROWS.replace("WHERE", "WHERE via = 'control' AND"));
  await until("six rows", async () => (await rows()).length === 6);
  const run_id = (await rows())[0]!["target"] as string;
  expect(await numberOf(pool, "SELECT COUNT(*) FROM runs WHERE run_id = ?", [run_id])).toBe(1);
  const changed = { actor: expect.stringMatching(/.@./) as string, via: "control", target: run_id };
  const expected = [
    { ...changed, actor: "127.0.0.1", action: "control.token", result: "refused" },
    { ...changed, action: "run.change", result: "done" },
    { ...changed, action: "fault.start", result: "done" },
    { ...changed, action: "fault.end", result: "done" },
    { ...changed, action: "fault.end", result: "refused" },
    { ...changed, action: "run.stop", result: "done" },
  ];
  expect(await rows()).toEqual(expect.arrayContaining(expected)); // two may be of the same millisecond
  expect(JSON.stringify(await rowsOf(pool, "SELECT * FROM audit_log"))).not.toContain(token);
});

test("a record that comes twice is one row, and one that breaks a rule a dead letter", async () => {
  await freshTopics();
  const { pool, writerUrl } = await openTestDatabase();
  const trail = openAuditTrail({ brokers: testBrokers() }, silent);
  for (let n = 0; n < 5; n++) {
    trail.audit({
      actor: "me",
      via: "key",
      action: "run.change",
      target: "'; --\n\x1b",
      result: "done",
      detail: { n },
    });
  }
  await trail.close();
  const producer = testKafka().producer();
  await producer.connect();
  onTestFinished(() => producer.disconnect());
  const twice = {
    ...{
      v: 1,
      audit_id: randomUUID(),
      time: new Date().toISOString(),
      actor: "a",
      via: "cli",
      action: "x.y",
    },
    ...{ target: "t", result: "done", detail: {} },
  };
  const messages = [twice, twice, { ...twice, via: "elsewhere" }].map((value) => ({
    value: JSON.stringify(value),
  }));
  await producer.send({ topic: "audit", messages });
  startTestConsumer({ writerUrl });
  const of = (where: string) => numberOf(pool, `SELECT COUNT(*) FROM audit_log WHERE ${where}`);
  await until("the last one", async () => (await numberOf(pool, "SELECT COUNT(*) FROM dead_letters")) === 1);
  await producer.send({
    topic: "audit",
    messages: [messages[0]!, { value: JSON.stringify({ ...twice, audit_id: randomUUID(), action: "end" }) }],
  });
  await until("what came after", async () => (await of("action = 'end'")) === 1);
  expect(await of("action = 'x.y'")).toBe(1);
  expect(await of("action = 'run.change'")).toBe(5);
});

test("what migrated is a row", async () => {
  const { ownerUrl, accounts, pool, name } = await openTestDatabase();
  await pool.query("DELETE FROM schema_migrations WHERE name = '0110_audit_log'");
  await migrate(ownerUrl, accounts, KEEP);
  const rows = await rowsOf(
    pool,
    "SELECT via, target, result, detail FROM audit_log WHERE action = 'migrate'",
  );
  const detail = { applied: ["0110_audit_log"] };
  expect(rows).toEqual([{ via: "cli", target: name, result: "done", detail }]);
});

test("a writer from before the audit, who may update all, loses that right when the database is migrated", async () => {
  const { writerUrl, ownerUrl, accounts, pool, name } = await openTestDatabase();
  const whole = `\`${name.replace("_", "\\_")}\`.*`;
  await pool.query(`GRANT UPDATE ON ${whole} TO ?@'%'`, [accounts.writer.user]);
  await migrate(ownerUrl, accounts, KEEP);
  const writer = await connect(writerUrl);
  onTestFinished(() => writer.end());
  await expect(writer.query("UPDATE audit_log SET actor = 'nobody'")).rejects.toMatchObject({
    code: expect.stringMatching(/DENIED/) as string,
  });
  await writer.query("UPDATE api_logs SET service = service");
});

test("the writer adds to the audit, and changes and removes nothing; every other table it still updates", async () => {
  const { writerUrl, pool, name } = await openTestDatabase();
  const writer = await connect(writerUrl);
  onTestFinished(() => writer.end());
  await writeAudit(writer, {
    via: "consumer",
    action: "retention.drop",
    target: "api_logs",
    result: "done",
    detail: {},
  });
  for (const statement of [
    "UPDATE audit_log SET actor = 'nobody'",
    "DELETE FROM audit_log",
    "TRUNCATE audit_log",
    "DROP TABLE audit_log",
    "REPLACE INTO audit_log SELECT * FROM audit_log",
    "INSERT INTO audit_log SELECT * FROM audit_log AS a ON DUPLICATE KEY UPDATE actor = 'nobody'",
    "UPDATE v_audit SET actor = 'nobody'",
    "UPDATE schema_migrations SET name = 'x'",
  ]) {
    await expect(writer.query(statement), statement).rejects.toMatchObject({
      code: expect.stringMatching(/DENIED/) as string,
    });
  }
  const tables = await rowsOf(
    pool,
    `SELECT TABLE_NAME AS t, (SELECT COLUMN_NAME FROM information_schema.COLUMNS c WHERE c.TABLE_SCHEMA = t.TABLE_SCHEMA
        AND c.TABLE_NAME = t.TABLE_NAME AND ORDINAL_POSITION = 1) AS c FROM information_schema.TABLES t
      WHERE TABLE_SCHEMA = ? AND TABLE_TYPE = 'BASE TABLE' AND TABLE_NAME NOT IN ('audit_log', 'schema_migrations')`,
    [name],
  );
  for (const { t, c } of tables) await writer.query("UPDATE ?? SET ?? = ?? WHERE 1 = 0", [t, c, c]);
});
