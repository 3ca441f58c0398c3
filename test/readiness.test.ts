import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { allTopics } from "../contract/topics.ts";
import { startEngines, type Engines } from "../engines/engines.ts";
import { urlOfUser } from "../init_db/database.ts";
import { migrate } from "../init_db/migrate.ts";
import { connectAdmin } from "../kafka/admin.ts";
import { createKafka } from "../kafka/client.ts";
import { KEEP, silent, startRole, until, type Role } from "./harness.ts";

/** Servers of this file's own, for they are frozen and killed; idle all the while, so that no work notices it. */
let engines: Engines;
let api: Role;
let consumer: Role;
const cleanUp: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  const home = mkdtempSync(join(tmpdir(), "rushhour-readiness-"));
  cleanUp.push(() => rmSync(home, { recursive: true, force: true }));
  engines = await startEngines({
    ...{ home, enginesFolder: ".rushhour/engines", kafka: true, mariadb: true },
    onGiveUp: (cause) => console.error(cause.message),
  });
  cleanUp.push(() => engines.stop());
  const brokers = engines.kafkaBrokers!.split(",");
  const admin = await connectAdmin(createKafka({ brokers, clientId: "rushhour-test", logger: silent }));
  await admin.createTopics(allTopics(1));
  await admin.close();
  const account = (user: string) => ({ user, password: randomBytes(12).toString("hex") });
  const accounts = { writer: account("rh_writer"), reader: account("rh_reader") };
  await migrate(engines.mysqlUrl!, accounts, KEEP);
  const { user, password } = accounts.writer;
  const env = {
    KAFKA_BROKERS: brokers.join(),
    MYSQL_WRITER_URL: urlOfUser(engines.mysqlUrl!, user, password),
  };
  const later = (end: () => Promise<void>) => cleanUp.push(end);
  api = await startRole(["api", "--port", "0"], env, later);
  consumer = await startRole(["consumer", "--port", "0"], env, later);
  await untilReady();
});

afterAll(async () => {
  for (const end of cleanUp.reverse()) await end();
});

interface Health {
  readonly dependencies: Readonly<Record<string, { ready: boolean; reason?: string }>>;
}

async function untilAnswer(role: Role, status: 200 | 503): Promise<Health> {
  let health: Health | undefined;
  await until(`${role.url} to answer ${status}`, async () => {
    const answer = await fetch(`${role.url}/health/ready`);
    health = (await answer.json()) as Health;
    return answer.status === status;
  });
  return health!;
}

const untilReady = () => Promise.all([untilAnswer(api, 200), untilAnswer(consumer, 200)]);

const engine = (name: "kafka" | "mariadb") => engines.processes.find((process) => process.name === name)!;

/** What is killed the supervisor starts again; what is frozen is thawed here. */
const ENDS = { SIGSTOP: "SIGCONT", SIGKILL: undefined } as const;

test.for([
  ["SIGSTOP", "kafka", [["kafka"], ["kafka"]]],
  ["SIGKILL", "kafka", [["kafka"], ["kafka"]]],
  ["SIGSTOP", "mariadb", [[], ["database"]]],
  ["SIGKILL", "mariadb", [[], ["database"]]],
] as const)("%s of %s shows in /health/ready of idle processes, and so does its end", async (hit) => {
  const [signal, name, [ofApi, ofConsumer]] = hit;
  process.kill(engine(name).pid!, signal);
  for (const [role, away] of [
    [api, ofApi],
    [consumer, ofConsumer],
  ] as const) {
    const { dependencies } = await untilAnswer(role, away.length > 0 ? 503 : 200);
    const missing = Object.keys(dependencies).filter((key) => !dependencies[key]!.ready);
    expect(missing).toEqual(away);
    for (const key of away) expect(dependencies[key]!.reason).toMatch(/./);
  }
  const thaw = ENDS[signal];
  if (thaw !== undefined) process.kill(engine(name).pid!, thaw);
  await untilReady();
});
