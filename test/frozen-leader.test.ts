import { expect, test } from "vitest";
import { lockName } from "../init_db/database.ts";
import { numberOf, openTestDatabase, startRole, until, type Role } from "./harness.ts";

const NO_KAFKA = "127.0.0.1:1"; // the database is kept in order all the same

/** In a file of its own, because the server waits 30 s for the frozen one: other files go on beside it. */
test("a frozen leader of the upkeep loses the lead to another, and does not lead when it goes on", async () => {
  const { pool, name, writerUrl } = await openTestDatabase();
  const start = () =>
    startRole(["consumer", "--port", "0"], { MYSQL_WRITER_URL: writerUrl, KAFKA_BROKERS: NO_KAFKA });
  const frozen = await start();
  await until("the first to lead", () => leads(frozen));
  const other = await start();
  frozen.process.kill("SIGSTOP");
  await until("the other to lead", () => leads(other), { deadlineMs: 45_000 });
  const leader = () => numberOf(pool, "SELECT IS_USED_LOCK(?)", [lockName(name, "upkeep")]);
  const connection = await leader();

  frozen.process.kill("SIGCONT");
  await until("the first to know", async () => !(await leads(frozen)));
  await until("its log to say so", () =>
    frozen.log.some((line) => line.includes("cannot keep the database in order; tries again")),
  );
  expect([await leads(frozen), await leads(other)]).toEqual([false, true]);
  expect(await leader()).toBe(connection);
});

/** What the consumer says of itself. */
async function leads({ url }: Role): Promise<boolean> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return metrics.includes("\nupkeep_leader 1\n");
}
