import { randomBytes } from "node:crypto";
import type { Context } from "hono";

/** Sessions kept in memory; beyond it the oldest is signed out. */
export const MAX_SESSIONS = 10_000;

/** Who is signed in, by opaque token. */
export class Sessions {
  readonly #userIdOfToken = new Map<string, number>(); // oldest first

  signIn(userId: number): string {
    const token = randomBytes(24).toString("base64url");
    this.#userIdOfToken.set(token, userId);
    if (this.#userIdOfToken.size > MAX_SESSIONS) {
      const [oldest] = this.#userIdOfToken.keys();
      this.#userIdOfToken.delete(oldest!);
    }
    return token;
  }

  /** The user behind an `Authorization: Bearer …` header; undefined without a known token. */
  userId(authorization: string | undefined): number | undefined {
    const token = /^Bearer (\S+)$/i.exec(authorization ?? "")?.[1];
    return token === undefined ? undefined : this.#userIdOfToken.get(token);
  }
}

const USER = "user_id";

/** Says whose request this is, for a route that finds out while it answers: the request log then names the user. */
export function nameUser(c: Context, userId: number): void {
  c.set(USER, userId);
}

export function namedUser(c: Context): number | undefined {
  return c.get(USER) as number | undefined;
}
