import { onTestFinished } from "vitest";
import type { AppLog } from "../contract/app-log.ts";
import { HTTP_LIMITS, type HttpLimits } from "../contract/http-limits.ts";
import { listen } from "../contract/listen.ts";
import { createMetrics } from "../contract/metrics.ts";
import type { RequestLog } from "../contract/request-log.ts";
import { createApp } from "./app.ts";
import type { AppOptions } from "./app.ts";
import type { Redis } from "./redis.ts";
import { DEMO_PASSWORD } from "./routes/session.ts";

/** What stands outside a test's shop, where it matters. */
interface Outside {
  readonly redis?: Redis;
  readonly sink?: Partial<AppOptions["sink"]>;
}

/** For tests: the shop with an array in place of Kafka, and no latency or errors of its own unless asked for. */
export function openTestShop(
  settings: Partial<AppOptions["settings"]> = {},
  readiness: AppOptions["readiness"] = () => ({ kafka: { ready: true } }),
  { redis, sink }: Outside = {},
) {
  const records: RequestLog[] = [];
  const ingested: { kind: string; record: object }[] = [];
  const lines: AppLog[] = [];
  const metrics = createMetrics();
  const app = createApp({
    publish: (record) => records.push(record),
    publishLog: (line) => lines.push(line),
    sink: {
      publishOf:
        ({ name: kind }) =>
        (record) =>
          ingested.push({ kind, record }) > 0,
      hasRoom: () => true,
      ...sink,
    },
    metrics,
    settings: {
      API_MODEL: "off",
      API_SEED: 1,
      API_MASK_IP: "no",
      API_HOST: "127.0.0.1",
      API_SIM_HEADERS: "off",
      API_INGEST_RATE: 1_000_000,
      RUSHHOUR_SPOOL: "off",
      RUSHHOUR_INSTANCE: "api-test",
      ...settings,
    },
    readiness,
    redis,
  });

  /** One request, its body read to the end, so that its record is there. */
  async function ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const response = await app.request(path, {
      method,
      headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
    const answer: unknown = isJson ? JSON.parse(text) : text;
    return { status: response.status, headers: response.headers, answer, text };
  }

  return { app, ask, ingested, lines, metrics, records };
}

/** Signs the user in. @returns the header that says so */
export async function signIn(ask: ReturnType<typeof openTestShop>["ask"], userId = 1) {
  const { username } = (await ask("GET", `/users/${userId}`)).answer as { username: string };
  const { answer } = await ask("POST", "/login", { username, password: DEMO_PASSWORD });
  return { authorization: `Bearer ${(answer as { token: string }).token}` };
}

/** {@link openTestShop} on a free port of 127.0.0.1, closed when the test ends. */
export async function serveTestShop(
  settings?: Partial<AppOptions["settings"]>,
  readiness?: AppOptions["readiness"],
  limits?: Partial<HttpLimits>,
  outside?: Outside,
) {
  const shop = openTestShop(settings, readiness, outside);
  const server = await listen(shop.app, {
    ...{ service: "api", host: "127.0.0.1", port: 0, metrics: shop.metrics },
    wayOut: "choose another with --port or API_PORT",
    limits: { ...HTTP_LIMITS, ...limits },
  });
  onTestFinished(() => server.close(0));
  return { ...shop, server, port: Number(new URL(server.url).port) };
}
