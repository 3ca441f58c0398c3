import { createHash, timingSafeEqual } from "node:crypto";
import { PerClient } from "./client-address.ts";

/** Wrong tokens that one client may send in a minute; then nothing of it is looked at until the minute is over. */
export const MAX_WRONG_TOKENS = 60;
const WINDOW_MS = 60_000;

export type TokenVerdict =
  | { readonly is: "right" }
  | { readonly is: "wrong" }
  | { readonly is: "blocked"; readonly retryAfterS: number }; // whatever the token is

/** @param client see `clientOf` */
export type TokenCheck = (authorization: string | undefined, client: string) => TokenVerdict;

/** Compares hashes in constant time, so that nobody learns the token or its length from how long a refusal takes. */
export function bearerToken(token: string, now: () => number = Date.now): TokenCheck {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const expected = digest(token);
  const failures = new PerClient<{ readonly untilMs: number; count: number }>();
  return (authorization, client) => {
    const nowMs = now();
    const last = failures.get(client);
    const window = last !== undefined && nowMs < last.untilMs ? last : undefined;
    if (window !== undefined && window.count >= MAX_WRONG_TOKENS) {
      return { is: "blocked", retryAfterS: Math.ceil((window.untilMs - nowMs) / 1_000) };
    }
    const given = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1] ?? "";
    if (timingSafeEqual(digest(given), expected)) return { is: "right" };
    if (window !== undefined) window.count++;
    else failures.set(client, { untilMs: nowMs + WINDOW_MS, count: 1 });
    return { is: "wrong" };
  };
}
