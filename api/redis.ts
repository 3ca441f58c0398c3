import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import type { RedisClientType } from "redis";
import { messageOf } from "../contract/errors.ts";
import type { Logger } from "../contract/logger.ts";
import { startProbe } from "../contract/probe.ts";
import type { DependencyState } from "../contract/status.ts";

/** What several processes of the shop share. It may be away at any time: nobody waits for it, nobody fails for it. */
export interface Redis {
  /**
   * The answer to a command, or to several that are sent at once.
   * @returns undefined while Redis is away, and when it takes longer than {@link ANSWER_MS}, refuses or fails
   */
  ask<T>(command: (client: RedisClientType) => Promise<T>): Promise<T | undefined>;
  /** Calls `listener` each time Redis is there again, with the time (Unix ms) from which on it may have missed what it was told: 0, it may have lost all. */
  onReturn(listener: (missedFromMs: number) => void): void;
  readonly state: () => DependencyState;
  close(): void;
}

/** Above all that Redis needs on a network of one's own, and below what a person notices. */
export const ANSWER_MS = 100;
/** A connection on which an answer has been missing for so long is made anew. */
const SILENT_MS = 2_000;
const FIRST_CONNECT_MS = 1_000;
const MAX_RECONNECT_MS = 1_000;
/** Commands that wait for an answer; beyond it they fail at once. */
const MAX_WAITING = 10_000;

/**
 * Connects, and connects again whenever the connection is lost. Once a command has had no answer in time nothing is sent but the probe's
 * question, until that is answered; so an outage costs the requests of one moment {@link ANSWER_MS} and all others nothing.
 * @param url redis:// or rediss://, checked by `apiSettings`
 */
export async function openRedis(url: string, logger: Logger): Promise<Redis> {
  const { createClient } = await import("redis"); // takes 0.1 s, which who has no Redis need not wait for
  const client = createClient({
    url,
    socket: {
      connectTimeout: FIRST_CONNECT_MS,
      socketTimeout: SILENT_MS,
      reconnectStrategy: (retries) => Math.min(MAX_RECONNECT_MS, 50 * 2 ** retries) * (1 + Math.random() / 4),
    },
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_WAITING,
    disableClientInfo: true,
    maintNotifications: "disabled",
  }) as unknown as RedisClientType; // with the modules, whose types are of no use here
  const listeners: ((missedFromMs: number) => void)[] = [];
  let missedFromMs: number | undefined = 0; // undefined while it is there
  let cause = new Error("not connected yet");
  client.on("error", (error: Error) => {
    missedFromMs = 0; // who comes back may be another
    cause = new Error(reasonOf(error));
  });
  client.connect().catch(() => undefined); // closed before it was connected; what else happens is told to "error"
  await Promise.race([once(client, "ready"), wait(FIRST_CONNECT_MS)]).catch(() => undefined);

  /** A write, so that a Redis that is full, a replica or without rights counts as away. */
  async function question(): Promise<void> {
    if (!client.isReady) throw cause;
    await client.set("rushhour:probe", "1", { expiration: { type: "EX", value: 1 } });
    if (missedFromMs === undefined) return;
    const fromMs = missedFromMs;
    missedFromMs = undefined;
    for (const listener of listeners) listener(fromMs);
  }

  async function ask<T>(command: (client: RedisClientType) => Promise<T>): Promise<T | undefined> {
    if (missedFromMs !== undefined) return undefined;
    let isAnswered = false;
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<undefined>((resolve) => {
      const giveUp = () => {
        if (!isAnswered) missedFromMs ??= Date.now() - ANSWER_MS;
        resolve(undefined);
      };
      timer = setTimeout(() => setImmediate(giveUp), ANSWER_MS); // an answer may be there unread, where this process was busy
    });
    const answer = command(client)
      .catch(() => undefined) // the probe finds the reason out
      .finally(() => (isAnswered = true));
    return Promise.race([answer, deadline]).finally(() => clearTimeout(timer));
  }

  if (client.isReady) await question().catch((error: unknown) => (cause = new Error(messageOf(error))));
  const probe = startProbe({ name: "Redis", ask: question, release: () => undefined, logger });
  return {
    ask,
    onReturn: (listener) => listeners.push(listener),
    state: probe.state,
    close() {
      probe.close();
      if (client.isOpen) client.destroy();
    },
  };
}

/** Node's error for a name with several addresses has a message for each of them, and none of its own. */
function reasonOf(error: Error): string {
  const [first = error] = error instanceof AggregateError ? (error.errors as unknown[]) : [];
  return messageOf(first) || error.name;
}
