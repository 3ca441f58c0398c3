import { setTimeout as sleep } from "node:timers/promises";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { Counter, type Registry } from "prom-client";
import { problem, type ProblemCode } from "../problem.ts";

/** Counts a request that something slowed down or failed on purpose; `kind` is a fault's, or the header that asked for it. */
export type CountInjected = (kind: string, route: string) => void;

export function countInjected(registry: Registry): CountInjected {
  const counter = new Counter({
    name: "api_faults_injected_total",
    help: "Requests that a fault or an x-sim header slowed down or failed on purpose",
    labelNames: ["kind", "route"],
    registers: [registry],
  });
  return (kind, route) => counter.inc({ kind, route });
}

/** The longest a request is kept waiting on purpose. */
export const MAX_WAIT_MS = 60_000;

/**
 * Answers an error that was asked for, and lets the log name who asked.
 * @param status 400-599
 * @param cause becomes `error_type` in the log
 */
export function fail(c: Context, status: number, code: ProblemCode, cause: string): Response {
  const message = `this answer was asked for by ${cause}`;
  c.error = Object.assign(new HTTPException(status as ContentfulStatusCode, { message }), { name: cause });
  return problem(c, status as ContentfulStatusCode, code, message);
}

/** Waits, but not for longer than the client does. */
export async function pause(c: Context, ms: number): Promise<void> {
  if (ms === 0) return;
  await sleep(Math.min(ms, MAX_WAIT_MS), undefined, { signal: c.req.raw.signal }).catch(() => undefined);
}
