import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { Hono, type Context } from "hono";
import { routePath } from "hono/route";
import { v7 as uuidv7 } from "uuid";
import { requestLog } from "../api/middleware/request-log.ts";
import { createMetrics } from "../contract/metrics.ts";
import { createKafka } from "../kafka/client.ts";
import { createPublisher } from "../producer/publisher.ts";
import { silent } from "./harness.ts";

/*
 * One variant of the same small shop, a process of its own (see api.ts):
 *
 *     node bench/api-server.ts <variant> <host:port of Kafka>
 *
 * It says "listening", answers "usage" and "close" by messages, then ends.
 */

export type Variant = "bare" | "stringify" | "publisher" | "batch" | "await";

export type ServerMessage =
  | { readonly type: "listening"; readonly url: string }
  | { readonly type: "usage"; readonly cpuUs: number; readonly rssBytes: number } // user and system, all threads
  | { readonly type: "closed"; readonly dropped: number };

interface Logging {
  readonly mount: (app: Hono) => void;
  /** Delivers what is held. @returns records dropped */
  readonly close: () => Promise<number>;
}

const LOGGINGS: Readonly<Record<Variant, (brokers: string[]) => Promise<Logging>>> = {
  bare: () => Promise.resolve({ mount: () => undefined, close: () => Promise.resolve(0) }),
  stringify: () =>
    Promise.resolve({
      mount: (app) => app.use(requestLog((record) => void JSON.stringify(record))),
      close: () => Promise.resolve(0),
    }),
  publisher: withPublisher,
  batch: withPlainBatch,
  await: withAwaitedSend,
};

/** The pipeline's own. */
async function withPublisher(brokers: string[]): Promise<Logging> {
  const metrics = createMetrics();
  const publisher = createPublisher({ brokers, service: "bench", logger: silent, metrics });
  return Promise.resolve({
    mount: (app) => app.use(requestLog(publisher.publish)),
    async close() {
      await publisher.close();
      const dropped = await metrics.registry.getSingleMetric("producer_events_dropped_total")?.get();
      return dropped?.values.reduce((sum, { value }) => sum + value, 0) ?? 0;
    },
  });
}

/** As little as a batch can be: seven fields, sent every 20 ms, unbounded; a crash or a slow Kafka is nobody's concern. */
async function withPlainBatch(brokers: string[]): Promise<Logging> {
  const producer = createKafka({ brokers, clientId: "bench", logger: silent }).producer({ idempotent: true });
  await producer.connect();
  let waiting: { value: string }[] = [];
  let sending = Promise.resolve();
  const send = async () => {
    const messages = waiting;
    waiting = [];
    for (let i = 0; i < messages.length; i += 1_000) {
      await producer.send({ topic: "info-logs", messages: messages.slice(i, i + 1_000) });
    }
  };
  const timer = setInterval(() => {
    sending = sending.then(send);
  }, 20);
  return {
    mount: (app) =>
      app.use(async (c, next) => {
        const finish = plainRecord(c);
        await next();
        waiting.push({ value: finish() });
      }),
    close: async () => {
      clearInterval(timer);
      await sending.then(send);
      await producer.disconnect();
      return 0;
    },
  };
}

/** Begins a record of seven fields. @returns what makes its JSON once the response is there */
function plainRecord(c: Context): () => string {
  const startedMs = performance.now();
  const log = { request_id: uuidv7(), timestamp: new Date().toISOString(), method: c.req.method };
  return () => {
    const response_time_ms = performance.now() - startedMs;
    const response = { endpoint: routePath(c, -1), status_code: c.res.status, response_time_ms };
    return JSON.stringify({ ...log, ...response, user_agent: c.req.header("user-agent") });
  };
}

/** As many tutorials do it: the response waits for a send of its own. */
async function withAwaitedSend(brokers: string[]): Promise<Logging> {
  const producer = createKafka({ brokers, clientId: "bench", logger: silent }).producer();
  await producer.connect();
  return {
    mount: (app) =>
      app.use(async (c, next) => {
        const finish = plainRecord(c);
        await next();
        const value = finish();
        await producer.send({ topic: "info-logs", messages: [{ value }] });
      }),
    close: async () => {
      await producer.disconnect();
      return 0;
    },
  };
}

function addRoutes(app: Hono): void {
  let orders = 0;
  app.get("/products/:id", (c) => {
    const id = Number(c.req.param("id"));
    return c.json({ id, name: `Product ${id}`, price_cents: 1_999, currency: "EUR", in_stock: 12 });
  });
  app.post("/orders", async (c) => {
    const { user_id, items } = await c.req.json<{ user_id: number; items: unknown[] }>();
    return c.json({ order_id: ++orders, user_id, items, status: "created" }, 201);
  });
}

const say = (message: ServerMessage) => process.send!(message);

const [, , variant = "bare", brokers = ""] = process.argv;
const logging = await LOGGINGS[variant as Variant](brokers.split(","));
const app = new Hono();
logging.mount(app);
addRoutes(app);
const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 });
await once(server, "listening");

process.on("message", (request) => {
  if (request === "usage") {
    const { user, system } = process.cpuUsage();
    say({ type: "usage", cpuUs: user + system, rssBytes: process.memoryUsage.rss() });
  } else {
    void logging.close().then((dropped) => {
      say({ type: "closed", dropped });
      process.exit();
    });
  }
});
say({ type: "listening", url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
