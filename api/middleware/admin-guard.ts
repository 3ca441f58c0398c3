import { createHash, timingSafeEqual } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { isLoopback } from "../../contract/loopback.ts";
import { problem } from "../problem.ts";

/**
 * Lets only those to the control routes who may: with the token, whoever brings it; without one, programs of this machine, and
 * only while the server listens to nobody else. A browser is such a program, and pages from anywhere run in it: a
 * name of theirs that leads to 127.0.0.1 (DNS rebinding) shows in the request's host, another origin in its `origin`.
 * @param host the address the server listens on
 */
export function adminGuard(token: string | undefined, host: string): MiddlewareHandler {
  const refuse = token === undefined ? refuseStrangers(host) : refuseOtherTokens(token);
  return async function adminGuard(c, next) {
    return refuse(c) ?? next();
  };
}

function refuseOtherTokens(token: string): (c: Context) => Response | undefined {
  const digest = (text: string) => createHash("sha256").update(text).digest(); // of one length, for the comparison
  const expected = digest(token);
  return (c) => {
    const given = /^Bearer +(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1] ?? "";
    if (timingSafeEqual(digest(given), expected)) return undefined;
    c.header("www-authenticate", 'Bearer realm="rushhour"');
    return problem(c, 401, "UNAUTHORIZED", "send authorization: Bearer with the value of API_ADMIN_TOKEN");
  };
}

function refuseStrangers(host: string): (c: Context) => Response | undefined {
  return (c) => {
    const { hostname, origin } = new URL(c.req.url);
    const sender = c.req.header("origin");
    const stranger = !isLoopback(host)
      ? `the server listens on ${host}`
      : !isLoopback(hostname)
        ? `the request is for the host ${hostname}`
        : sender !== undefined && sender !== origin
          ? `the request comes from ${sender}`
          : undefined;
    return stranger === undefined
      ? undefined
      : problem(c, 403, "FORBIDDEN", `${stranger}: set API_ADMIN_TOKEN and send it as bearer token`);
  };
}
