import type { Redis } from "./redis.ts";

/** Marks kept in this process; beyond it the oldest is forgotten, see {@link SessionMarks.isForgotten}. */
export const MAX_MARKS = 100_000;

const KEY = "rushhour:session:";
/** Marks that are told to Redis in one go. */
const CHUNK = 100;

/**
 * What no signature can say: which sessions have ended and which refresh tokens were used. Each is known for as long as a token can
 * live to which it matters. With Redis all processes know all marks; while it is away each knows its own, and tells them when it is back.
 */
export class SessionMarks {
  readonly #keptMs: number;
  readonly #redis: Redis | undefined;
  readonly #sinceMs = new Map<string, number>(); // oldest first
  #forgottenMs = 0;

  constructor(keptMs: number, redis?: Redis) {
    this.#keptMs = keptMs;
    this.#redis = redis;
    redis?.onReturn((missedFromMs) => void this.#tellFrom(redis, missedFromMs));
  }

  /** Whether this process knows the mark. */
  knows(mark: string): boolean {
    const sinceMs = this.#sinceMs.get(mark);
    return sinceMs !== undefined && sinceMs + this.#keptMs > Date.now();
  }

  /** Whether a mark on what was issued then may have been forgotten, so that it counts as marked. */
  isForgotten(issuedMs: number): boolean {
    return issuedMs <= this.#forgottenMs;
  }

  /** Whether any process has set the mark. */
  async has(mark: string): Promise<boolean> {
    if (this.knows(mark)) return true;
    const isThere = (await this.#redis?.ask((client) => client.exists(KEY + mark))) === 1;
    if (isThere) this.#keep(mark);
    return isThere;
  }

  /** @returns whether nobody had set it before */
  async set(mark: string): Promise<boolean> {
    if (this.knows(mark)) return false;
    this.#keep(mark);
    const answer = await this.#redis?.ask((client) => this.#tell(client, mark, this.#keptMs));
    return answer !== null; // undefined: nobody else can be asked
  }

  #keep(mark: string): void {
    const nowMs = Date.now();
    this.#sinceMs.set(mark, nowMs);
    for (const [oldest, sinceMs] of this.#sinceMs) {
      const isOver = sinceMs + this.#keptMs <= nowMs;
      if (!isOver && this.#sinceMs.size <= MAX_MARKS) break;
      this.#sinceMs.delete(oldest);
      if (!isOver) this.#forgottenMs = sinceMs;
    }
  }

  #tell(client: Client, mark: string, forMs: number) {
    return client.set(KEY + mark, "1", { expiration: { type: "PX", value: forMs }, condition: "NX" });
  }

  /** Tells Redis what was set since then and is still of use. */
  async #tellFrom(redis: Redis, missedFromMs: number): Promise<void> {
    const marks = [...this.#sinceMs].filter(([, sinceMs]) => sinceMs >= missedFromMs);
    for (let at = 0; at < marks.length; at += CHUNK) {
      const chunk = marks.slice(at, at + CHUNK);
      const answer = await redis.ask((client) =>
        Promise.all(
          chunk.map(([mark, sinceMs]) =>
            this.#tell(client, mark, Math.max(1, sinceMs + this.#keptMs - Date.now())),
          ),
        ),
      );
      if (answer === undefined) return; // it is away again, and will be told when it is back
    }
  }
}

type Client = Parameters<Parameters<Redis["ask"]>[0]>[0];
