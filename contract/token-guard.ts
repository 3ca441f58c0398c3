import type { Context } from "hono";
import type { Counter } from "prom-client";
import { bearerToken } from "./bearer-token.ts";

export interface TokenRefusal {
  readonly status: 401 | 429;
  readonly code: "UNAUTHORIZED" | "RATE_LIMITED";
  readonly message: string;
}

/**
 * What every server of ours says to who comes without the right token, headers included; the body is the server's.
 * @param setting the variable that holds the token
 * @param refused counts them
 * @returns asks a request of a client (see `clientOf`); undefined: it may
 */
export function tokenGuard(
  token: string,
  setting: string,
  refused: Counter,
): (c: Context, client: string) => TokenRefusal | undefined {
  const check = bearerToken(token);
  return (c, client) => {
    const verdict = check(c.req.header("authorization"), client);
    if (verdict.is === "right") return undefined;
    refused.inc();
    if (verdict.is === "blocked") {
      c.header("retry-after", String(verdict.retryAfterS));
      const message = "too many wrong tokens; retry-after says when the next one is looked at";
      return { status: 429, code: "RATE_LIMITED", message };
    }
    c.header("www-authenticate", 'Bearer realm="rushhour"');
    return {
      ...{ status: 401, code: "UNAUTHORIZED" },
      message: `send authorization: Bearer with the value of ${setting}`,
    };
  };
}
