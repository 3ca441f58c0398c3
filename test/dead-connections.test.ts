import { expect, inject, onTestFinished, test } from "vitest";
import { connect, connectionOptions, openPool, type Row } from "../init_db/database.ts";
import { answerOf } from "../init_db/lifeline.ts";
import { openProxy } from "./chaos/proxy.ts";

const direct = new URL(inject("mysqlUrl"));
direct.pathname = "/mysql";

test("a connection that is dead without a word is left, and the server ends its session", async () => {
  const proxy = await openProxy(() => Number(direct.port || 3306));
  const behindProxy = new URL(direct);
  behindProxy.host = `127.0.0.1:${proxy.port}`;
  const pool = openPool(behindProxy.href, 1);
  const watch = await connect(direct.href);
  onTestFinished(async () => {
    proxy.close();
    await pool.end();
    await watch.end();
  });
  const [[session]] = (await pool.query("SELECT CONNECTION_ID() AS id")) as unknown as [{ id: number }[]];
  proxy.silence().stayDead();
  await expect(pool.query("SELECT 1")).rejects.toThrow("the connection is dead");
  await pool.query("SELECT 1"); // on another one
  const [sessions] = await watch.query<Row[]>("SHOW PROCESSLIST");
  expect(sessions.map((other) => Number(other["Id"]))).not.toContain(session!.id);
});

test("a statement that takes its time is waited for", async () => {
  const connection = await connect(direct.href);
  onTestFinished(() => connection.end());
  const [rows] = await answerOf(
    connection,
    connectionOptions(direct.href),
    connection.query("SELECT SLEEP(3) AS slept"),
  );
  expect(rows).toEqual([{ slept: 0 }]);
});
