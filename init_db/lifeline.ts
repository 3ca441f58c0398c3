import type { Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import {
  createConnection,
  type Connection,
  type ConnectionOptions,
  type RowDataPacket,
} from "mysql2/promise";

const FIRST_LOOK_MS = 2_000;
const NEXT_LOOK_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
const LOOK_LIMIT_MS = 2_000;

/**
 * Waits for an answer of the database, as long as the database works on it. A statement may rightly take minutes, and a connection
 * whose other side is gone without a word (a cable, a firewall that forgot) looks just the same: so after two seconds another connection
 * asks what the server does for this one. Does it nothing, the connection is dead: the server is told to end it, so that it gives its
 * locks back, and the wait ends with an error.
 * @param options of the other connection: the same server and user
 */
export async function answerOf<T>(
  connection: Connection,
  options: ConnectionOptions,
  work: Promise<T>,
): Promise<T> {
  const answered = new AbortController();
  void cutOnceDead(connection, options, answered.signal);
  try {
    return await work;
  } finally {
    answered.abort();
  }
}

async function cutOnceDead(
  watched: Connection,
  options: ConnectionOptions,
  answered: AbortSignal,
): Promise<void> {
  let pauseMs = FIRST_LOOK_MS;
  const isAnswered = () => answered.aborted;
  for (;;) {
    await wait(pauseMs, undefined, { signal: answered, ref: false }).catch(() => undefined);
    if (isAnswered()) return;
    const state = await stateOf(watched.threadId, options);
    if (isAnswered()) return;
    if (state === "dead") {
      const { connection } = watched as unknown as { readonly connection: { readonly stream: Socket } };
      connection.stream.destroy(
        new Error("the database has answered, and the answer never came: the connection is dead"),
      );
      return;
    }
    pauseMs = state === "unknown" ? NEXT_LOOK_MS : Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

/** What the server does for a connection; unknown while it cannot be asked. */
async function stateOf(
  threadId: number,
  options: ConnectionOptions,
): Promise<"working" | "dead" | "unknown"> {
  const limit = new AbortController();
  const late = wait(LOOK_LIMIT_MS, "unknown" as const, { signal: limit.signal });
  const asked = createConnection({ ...options, connectTimeout: LOOK_LIMIT_MS });
  try {
    return await Promise.race([late, asked.then((connection) => ask(connection, threadId))]);
  } catch {
    return "unknown";
  } finally {
    limit.abort();
    late.catch(() => undefined);
    void asked.then((connection) => connection.destroy()).catch(() => undefined);
  }
}

async function ask(connection: Connection, threadId: number): Promise<"working" | "dead"> {
  connection.on("error", () => undefined); // the query says it
  // Not information_schema: there MySQL fails at a statement of anybody's that holds an emoji.
  const [sessions] = await connection.query<RowDataPacket[]>("SHOW PROCESSLIST");
  const found = sessions.find((session) => Number(session["Id"]) === threadId);
  if (found === undefined) return "dead";
  if (found["Command"] !== "Sleep" || Number(found["Time"]) < 1) return "working"; // or its answer is on the way
  await connection.query("KILL ?", [threadId]).catch(() => undefined); // it has ended by itself
  return "dead";
}
