import type { Context, MiddlewareHandler } from "hono";
import type { Counter } from "prom-client";
import { clientOf } from "../../contract/client-address.ts";
import { isLoopback } from "../../contract/loopback.ts";
import { tokenGuard } from "../../contract/token-guard.ts";
import { problem } from "../problem.ts";
import { remoteAddressOf } from "./rate-limit.ts";

export interface CallerGuard {
  readonly token: string | undefined;
  readonly setting: string; // the variable that holds it
  readonly host: string; // the address the server listens on
  readonly refused: Counter; // counts those without the right token
}

/**
 * Lets only those to what changes or adds something who may: with the token, whoever brings it; without one, programs of this machine, and
 * only while the server listens to nobody else. A browser is such a program, and pages from anywhere run in it: a
 * name of theirs that leads to 127.0.0.1 (DNS rebinding) shows in the request's host, another origin in its `origin`.
 */
export function callerGuard({ token, setting, host, refused }: CallerGuard): MiddlewareHandler {
  const refuse =
    token === undefined ? refuseStrangers(host, setting) : refuseOtherTokens(token, setting, refused);
  return async function callerGuard(c, next) {
    return refuse(c) ?? next();
  };
}

function refuseOtherTokens(
  token: string,
  setting: string,
  refused: Counter,
): (c: Context) => Response | undefined {
  const refusalOf = tokenGuard(token, setting, refused);
  return (c) => {
    const refusal = refusalOf(c, clientOf(remoteAddressOf(c)));
    return refusal && problem(c, refusal.status, refusal.code, refusal.message);
  };
}

function refuseStrangers(host: string, setting: string): (c: Context) => Response | undefined {
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
      : problem(c, 403, "FORBIDDEN", `${stranger}: set ${setting} and send it as bearer token`);
  };
}
