import type { Context, MiddlewareHandler } from "hono";
import { Counter, type Registry } from "prom-client";
import { clientOf } from "../../contract/client-address.ts";
import { isLoopback } from "../../contract/loopback.ts";
import { tokenGuard } from "../../contract/token-guard.ts";
import { problem } from "../problem.ts";
import { remoteAddressOf } from "./rate-limit.ts";

/**
 * Lets only those to the control routes who may: with the token, whoever brings it; without one, programs of this machine, and
 * only while the server listens to nobody else. A browser is such a program, and pages from anywhere run in it: a
 * name of theirs that leads to 127.0.0.1 (DNS rebinding) shows in the request's host, another origin in its `origin`.
 * @param host the address the server listens on
 */
export function adminGuard(token: string | undefined, host: string, registry: Registry): MiddlewareHandler {
  const refuse = token === undefined ? refuseStrangers(host) : refuseOtherTokens(token, registry);
  return async function adminGuard(c, next) {
    return refuse(c) ?? next();
  };
}

function refuseOtherTokens(token: string, registry: Registry): (c: Context) => Response | undefined {
  const refused = new Counter({
    name: "api_auth_failures_total",
    help: "Requests to /__admin without the right token",
    registers: [registry],
  });
  const refusalOf = tokenGuard(token, "API_ADMIN_TOKEN", refused);
  return (c) => {
    const refusal = refusalOf(c, clientOf(remoteAddressOf(c)));
    return refusal && problem(c, refusal.status, refusal.code, refusal.message);
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
