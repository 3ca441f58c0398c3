import { setInterval } from "node:timers/promises";
import { Hono } from "hono";
import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { streamSSE } from "hono/streaming";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { z } from "zod";
import { Counter, type Registry } from "prom-client";
import { EXIT, messageOf, RushhourError } from "../../contract/errors.ts";
import { listen } from "../../contract/listen.ts";
import type { HttpServer } from "../../contract/listen.ts";
import { isLoopback } from "../../contract/loopback.ts";
import { createMetrics } from "../../contract/metrics.ts";
import { securityHeaders } from "../../contract/security-headers.ts";
import { statusRoutes } from "../../contract/status.ts";
import { tokenGuard } from "../../contract/token-guard.ts";
import { changeSchema, liveFaultSchema } from "./bodies.ts";
import type { RunControl } from "./run-control.ts";

export interface ControlServerOptions {
  readonly port: number; // 0 takes a free one
  readonly token?: string | undefined; // asked of every request below /v1 when set
  /** Told of each request that came without the right one; not of those that are not looked at any more. */
  readonly onWrongToken?: (() => void) | undefined;
  readonly run: RunControl;
}

const STATUS_MS = 1_000;
const CLOSE_MS = 1_000;
const MAX_BODY_BYTES = 65_536;

/**
 * Serves the control of a run on 127.0.0.1: see docs/control.md. It answers loopback names only, so that no web page
 * reaches it through a name of its own, and nothing that another origin asks for.
 * @throws RushhourError PORT_IN_USE
 */
export async function createControlServer(options: ControlServerOptions): Promise<HttpServer> {
  const { port, token, run } = options;
  const metrics = createMetrics();
  const closing = new AbortController();
  const app = new Hono();
  app.use(securityHeaders, refuseForeign);
  app.route(
    "/",
    statusRoutes("simulator", metrics, () => ({})),
  );
  if (token !== undefined) app.use("/v1/*", askFor(token, metrics.registry, options.onWrongToken));
  app.route("/v1", controlRoutes(run, closing.signal));
  app.notFound((c) =>
    refuse(c, 404, "ROUTE_UNKNOWN", `there is no ${c.req.method} ${c.req.path}; see docs/control.md`),
  );
  app.onError(answerThrown);
  const server = await listen(app, {
    ...{ service: "simulator", host: "127.0.0.1", port, metrics },
    wayOut: "give the control another one (0 takes a free one)",
  });
  return {
    url: server.url,
    close(deadlineMs = CLOSE_MS) {
      closing.abort(); // the streams of events end
      return server.close(deadlineMs);
    },
  };
}

function controlRoutes(run: RunControl, closing: AbortSignal): Hono {
  const routes = new Hono();
  let unnamed = 0;
  routes.use(bodyLimit({ maxSize: MAX_BODY_BYTES, onError: bodyTooLarge }));
  routes.get("/run", (c) => c.json(run.status()));
  routes.patch("/run", async (c) => {
    const body = await readBody(c, changeSchema(run.status()));
    if (!body.valid) return body.refusal;
    run.change(body.value);
    return c.json(run.status());
  });
  routes.post("/faults", async (c) => {
    const body = await readBody(c, liveFaultSchema);
    if (!body.valid) return body.refusal;
    const name = body.value.name ?? `live-${body.value.kind}-${++unnamed}`;
    return c.json(await run.startFault({ ...body.value, name }), 201);
  });
  routes.delete("/faults/:name", async (c) => {
    const name = c.req.param("name");
    const ended = await run.endFault(name);
    if (ended === undefined) {
      const active = run.status().faults.map((fault) => fault.name);
      const others = active.length > 0 ? `; under way: ${active.join(", ")}` : "; none is under way";
      return refuse(c, 404, "FAULT_UNKNOWN", `no fault "${name}" is under way${others}`);
    }
    return c.json(ended);
  });
  routes.post("/stop", (c) => {
    run.stop();
    return c.json(run.status(), 202);
  });
  routes.get("/events", (c) => streamEvents(c, run, closing));
  return routes;
}

/** Server-sent events: `status` at once and each second, `event` when something happens; ends with the run. */
function streamEvents(c: Context, run: RunControl, closing: AbortSignal): Response {
  return streamSSE(c, async (stream) => {
    const left = new AbortController();
    stream.onAbort(() => left.abort());
    const send = (event: string, data: object) => stream.writeSSE({ event, data: JSON.stringify(data) });
    const forget = run.events((event) => void send("event", event));
    try {
      await send("status", run.status());
      const signal = AbortSignal.any([closing, left.signal]);
      // One status at a time: a reader that is slow gets fewer of them.
      for await (const status of setInterval(STATUS_MS, () => run.status(), { signal })) {
        await send("status", status());
      }
    } catch (error) {
      if (!(error instanceof Error && error.name === "AbortError")) throw error;
    } finally {
      forget();
    }
  });
}

/** A page of another origin, or one that had its own name resolve to this machine (DNS rebinding), gets nothing. */
const refuseForeign: MiddlewareHandler = async (c, next) => {
  const host = c.req.header("host") ?? "";
  const origin = c.req.header("origin");
  if (!isLoopback(hostnameOf(`http://${host}`))) {
    return refuse(c, 403, "FOREIGN", `this answers requests to 127.0.0.1 or localhost, not to "${host}"`);
  }
  if (origin !== undefined && !isLoopback(hostnameOf(origin))) {
    return refuse(c, 403, "FOREIGN", `this answers no requests from pages of ${origin}`);
  }
  await next();
};

const hostnameOf = (url: string) => URL.parse(url)?.hostname ?? "";

/** It listens on 127.0.0.1 alone, so that all who ask are one client. */
function askFor(token: string, registry: Registry, onWrongToken?: () => void): MiddlewareHandler {
  const refused = new Counter({
    name: "control_auth_failures_total",
    help: "Requests to /v1 without the right token",
    registers: [registry],
  });
  const refusalOf = tokenGuard(token, "SIMULATOR_CONTROL_TOKEN", refused);
  return async (c, next) => {
    const refusal = refusalOf(c, "127.0.0.1");
    if (refusal === undefined) return next();
    if (refusal.code === "UNAUTHORIZED") onWrongToken?.();
    return refuse(c, refusal.status, refusal.code, refusal.message);
  };
}

type Body<T> =
  { readonly valid: true; readonly value: T } | { readonly valid: false; readonly refusal: Response };

async function readBody<T>(c: Context, schema: z.ZodType<T>): Promise<Body<T>> {
  if ((c.req.header("content-encoding") ?? "identity").toLowerCase() !== "identity") {
    c.header("accept-encoding", "identity");
    const message = "the body must not be compressed; send it without content-encoding";
    return { valid: false, refusal: refuse(c, 415, "BODY_ENCODED", message) };
  }
  const text = await c.req.text();
  if (!/^application\/json\s*(?:;.*)?$/i.test(c.req.header("content-type") ?? "")) {
    const message = "the body must be JSON with content-type: application/json";
    return { valid: false, refusal: refuse(c, 415, "NOT_JSON_TYPE", message) };
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    const message = `the body is not JSON: ${messageOf(error)}`;
    return { valid: false, refusal: refuse(c, 400, "BODY_NOT_JSON", message) };
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return { valid: true, value: parsed.data };
  const fields = parsed.error.issues.map(({ path, message }) => ({
    field: path.length > 0 ? path.join(".") : "(body)",
    rule: message,
  }));
  const message = fields.map(({ field, rule }) => `${field} ${rule}`).join("; ");
  return { valid: false, refusal: refuse(c, 400, "INVALID_REQUEST", message, fields) };
}

/** What the run refuses is the caller's to mend; what it cannot do, such as reach its target, is not. */
function answerThrown(error: Error, c: Context): Response {
  if ("getResponse" in error) return (error as Error & { getResponse(): Response }).getResponse(); // Hono's own
  if (!(error instanceof RushhourError)) return refuse(c, 500, "INTERNAL_ERROR", messageOf(error));
  return error.exitCode === EXIT.invalidUsage
    ? refuse(c, 400, "INVALID_REQUEST", error.message)
    : refuse(c, 502, error.code, error.message);
}

function bodyTooLarge(c: Context): Response {
  return refuse(c, 413, "BODY_TOO_LARGE", `the body may have ${MAX_BODY_BYTES} bytes at most; send less`);
}

interface FieldProblem {
  readonly field: string;
  readonly rule: string;
}

/** The shape of every error, as in the shop's API. */
function problemOf(code: string, message: string, fields?: readonly FieldProblem[]) {
  return { error: { code, message, ...(fields && { fields }) } };
}

function refuse(
  c: Context,
  status: ContentfulStatusCode,
  code: string,
  message: string,
  fields?: readonly FieldProblem[],
): Response {
  return c.json(problemOf(code, message, fields), status);
}
