import type { Logger } from "../contract/logger.ts";
import { startProbe, type Probe } from "../contract/probe.ts";
import { connect, type Connection } from "../init_db/database.ts";
import { explain } from "./faults.ts";

/** A server that was cut off, rather than frozen, never answers on the old connection. */
const GIVE_UP_MS = 5_000;

/** Asks the database for nothing, on a connection of its own: those that store may all wait for locks, or for work. */
export function probeDatabase(url: string, logger: Logger): Probe {
  let connection: Connection | undefined;

  async function ask(): Promise<void> {
    try {
      connection ??= await open(url);
      await connection.query({ sql: "DO 0", timeout: GIVE_UP_MS });
    } catch (error) {
      release();
      throw new Error(explain(error), { cause: error });
    }
  }

  const release = () => {
    connection?.destroy();
    connection = undefined;
  };
  return startProbe({ name: "the database", ask, release, logger });
}

async function open(url: string): Promise<Connection> {
  const connection = await connect(url);
  connection.on("error", () => undefined); // the next question says it
  return connection;
}
