import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Kind } from "../schedule.ts";
import type { Prepare, Stage } from "../stage.ts";

const crashPoints: Prepare = ({ home }) => ({ preload: "crash-points", env: { CHAOS_FOLDER: home } });

/**
 * Deaths at chosen points of the path of a record. The product knows nothing of them: a lock on a table holds the consumer's
 * transaction before the statement that writes to it, a frozen Kafka holds the answer, and a preloaded module ends the API at a write.
 */
export const pointBlows: Readonly<Record<string, Kind>> = {
  "point-fence": inTransaction("after the compare-and-set", "api_logs"),
  "point-insert": inTransaction("after the insert", "api_rollup_10s"),
  "point-commit": () => ({
    name: "kill consumer after COMMIT, before Kafka's commit",
    hits: ["consumer"],
    async strike(stage) {
      const unlock = await holdTransaction(stage, "api_logs");
      const thaw = stage.freeze("kafka");
      const position = await stage.database.position();
      unlock();
      await stage.until("the commit", async () => (await stage.database.position()) > position);
      const back = stage.kill("consumer");
      thaw?.();
      await back;
    },
  }),
  "point-send": (rng) => {
    const heldMs = 100 + rng.integer(900);
    return {
      name: `kill api after the send, ${heldMs} ms without an answer`,
      hits: ["api"],
      async strike({ freeze, kill }) {
        const thaw = freeze("kafka");
        await wait(heldMs); // something is sent each 20 ms
        const back = kill("api");
        thaw?.();
        await back;
      },
    };
  },
  ...Object.fromEntries(
    ["before", "amid", "after"].map((when): [string, Kind] => [
      `point-${when}-spool`,
      Object.assign<Kind, { prepare: Prepare }>(
        () => ({
          name: `kill api ${when} a write to its spool`,
          hits: ["api"],
          async strike({ home, until, pidOf, back }) {
            const pid = pidOf("api");
            writeFileSync(join(home, `crash-${when}-write`), "");
            await until("the API to end at the write", () => pidOf("api") !== pid);
            await back("api");
          },
        }),
        { prepare: crashPoints },
      ),
    ]),
  ),
};

function inTransaction(where: string, table: string): Kind {
  return (rng) => {
    const victim = rng.pick(["consumer", "mariadb"] as const);
    return {
      name: `kill ${victim} ${where}`,
      hits: [victim],
      async strike(stage) {
        const unlock = await holdTransaction(stage, table);
        const back = stage.kill(victim);
        unlock();
        await back;
      },
    };
  };
}

/** Waits until the consumer has done all but the write to `table`, and holds it there until the returned function is called. */
export async function holdTransaction({ database, until }: Stage, table: string): Promise<() => void> {
  const session = await database.session();
  await session.query(`LOCK TABLES ${table} READ`);
  await until("the consumer's transaction to wait", async () => {
    const waiting = await database.ask(
      "SELECT 1 FROM information_schema.processlist WHERE user LIKE 'rushhour_writer%' AND state LIKE 'Waiting for table%'",
    );
    return waiting.length > 0;
  });
  return () => session.destroy();
}
