import { setTimeout as wait } from "node:timers/promises";
import { Counter, Gauge } from "prom-client";
import { messageOf } from "../contract/errors.ts";
import type { Logger } from "../contract/logger.ts";
import type { Metrics } from "../contract/metrics.ts";
import { connect, promptOptions, type Connection } from "../init_db/database.ts";
import { answerOf } from "../init_db/lifeline.ts";
import { holdsLock, tryLock } from "../init_db/locks.ts";

/** Work that keeps the database in order, for one consumer at a time. */
export interface UpkeepTask {
  readonly name: string; // in log and metrics
  readonly everyMs: number;
  /** Called again after `everyMs`; after an error within seconds, then twice as late each time, up to five minutes. */
  run(connection: Connection): Promise<void>;
  /** Another consumer may lead from now on: what was measured here is no longer true. */
  forget?(): void;
}

export interface UpkeepOptions {
  readonly writerUrl: string;
  readonly tasks: readonly UpkeepTask[];
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface Upkeep {
  readonly isLeader: () => boolean;
  /** Gives the lead away; a task at work has two seconds to end, then it is left alone. */
  close(): Promise<void>;
}

const LOOK_EVERY_MS = 2_000; // how late a consumer notices that nobody leads, or that it does no longer
const FIRST_RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 300_000;
const LOOK_LIMIT_MS = 600_000; // what takes longer talks to a server that is no longer there
const CLOSE_LIMIT_MS = 2_000;

/** A frozen leader loses the lead after 30 s. Rows of others are waited for as long as the ingest transaction waits. */
const SESSION = [
  "SET SESSION sql_mode = 'STRICT_ALL_TABLES', wait_timeout = 30, innodb_lock_wait_timeout = 10",
  "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
];

/**
 * Keeps the database in order beside the ingestion: of all consumers of a database the one that holds its lock `upkeep` leads
 * and runs the tasks that are due, one after the other, on the connection that holds the lock. Who loses the connection loses
 * the lead, and another has it within seconds. Nothing that fails here stops a consumer.
 */
export function startUpkeep({ writerUrl, tasks, logger, metrics }: UpkeepOptions): Upkeep {
  const own = ownMetrics(metrics);
  const ending = new AbortController();
  const isEnding = () => ending.signal.aborted;
  let connection: Connection | undefined;
  let leads = false;
  let said = ""; // the trouble that the log knows of
  let due = new Map<UpkeepTask, { atMs: number; failures: number }>();

  /** One look: leads or tries to, and runs what is due. @throws when the connection is lost */
  async function look(): Promise<void> {
    connection ??= await open(writerUrl);
    if (isEnding()) return;
    const held = leads ? await holdsLock(connection, "upkeep") : await tryLock(connection, "upkeep", 0);
    if (held && !leads) lead();
    if (!held && leads) throw new Error("the lock is no longer held");
    if (!leads) return;
    for (const task of tasks) {
      if (!isEnding() && due.get(task)!.atMs <= performance.now()) await run(connection, task);
    }
  }

  function lead(): void {
    leads = true;
    due = new Map(tasks.map((task) => [task, { atMs: 0, failures: 0 }]));
    own.leader.set(1);
    logger.info({ tasks: tasks.map(({ name }) => name) }, "keeps the database in order");
  }

  /** A task that fails is tried again; only without its connection there is no going on. */
  async function run(on: Connection, task: UpkeepTask): Promise<void> {
    const { failures } = due.get(task)!;
    try {
      await task.run(on);
      own.runs.inc({ task: task.name, status: "done" });
      due.set(task, { atMs: performance.now() + task.everyMs, failures: 0 });
      if (failures > 0) logger.info({ task: task.name, failures }, "upkeep works again");
    } catch (error) {
      own.runs.inc({ task: task.name, status: "failed" });
      if (isFatal(error)) throw error;
      const delayMs = Math.min(Math.min(task.everyMs, FIRST_RETRY_MS) * 2 ** failures, LONGEST_RETRY_MS);
      due.set(task, { atMs: performance.now() + delayMs, failures: failures + 1 });
      logger.warn(
        { task: task.name, reason: messageOf(error), retryMs: delayMs },
        "upkeep is tried again later",
      );
    }
  }

  function letGo(reason: unknown): void {
    connection?.destroy(); // its lock with it
    connection = undefined;
    if (leads) for (const task of tasks) task.forget?.();
    leads = false;
    own.leader.set(0);
    if (isEnding() || messageOf(reason) === said) return;
    said = messageOf(reason);
    logger.warn({ reason: said }, "cannot keep the database in order; tries again");
  }

  async function loop(): Promise<void> {
    while (!isEnding()) {
      try {
        await within(look(), ending.signal);
        said = "";
      } catch (error) {
        letGo(error);
      }
      await wait(LOOK_EVERY_MS, undefined, { signal: ending.signal }).catch(() => undefined);
    }
  }

  const ended = loop();
  return {
    isLeader: () => leads,
    async close() {
      ending.abort();
      await ended;
      letGo(undefined);
    },
  };
}

async function open(writerUrl: string): Promise<Connection> {
  const options = promptOptions(writerUrl);
  const connection = await connect(writerUrl, options);
  connection.on("error", () => undefined); // the next query says it
  const query = connection.query.bind(connection) as (...question: unknown[]) => Promise<never>;
  connection.query = (...question: unknown[]) => answerOf(connection, options, query(...question));
  for (const sql of SESSION) await connection.query(sql);
  return connection;
}

/** Fails when `work` takes longer than a look may, or does not end soon after `closing`: mysql2 itself would wait for ever. */
function within(work: Promise<void>, closing: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const cut = () => reject(new Error(`no answer from the database for ${LOOK_LIMIT_MS / 60_000} minutes`));
    let limit = setTimeout(cut, LOOK_LIMIT_MS);
    const hurry = () => {
      clearTimeout(limit);
      limit = setTimeout(cut, CLOSE_LIMIT_MS);
    };
    closing.addEventListener("abort", hurry, { once: true });
    void work.then(resolve, reject).finally(() => {
      clearTimeout(limit);
      closing.removeEventListener("abort", hurry);
    });
  });
}

/** mysql2 marks errors after which the connection answers nothing. */
const isFatal = (error: unknown) => (error as { fatal?: unknown }).fatal === true;

function ownMetrics({ registry }: Metrics) {
  const registers = [registry];
  return {
    leader: new Gauge({
      name: "upkeep_leader",
      help: "1 while this consumer keeps the database in order, for all others",
      registers,
    }),
    runs: new Counter({
      name: "upkeep_runs_total",
      help: "Runs of the tasks that keep the database in order, by how they ended: done, failed",
      labelNames: ["task", "status"],
      registers,
    }),
  };
}
