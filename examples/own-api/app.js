import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { createPublisher, requestLog } from "rushhour";

const { KAFKA_BROKERS = "127.0.0.1:9092", PORT = "3000" } = process.env;
const publisher = createPublisher({ brokers: KAFKA_BROKERS.split(","), service: "greetings" });

const app = new Hono();
app.use(requestLog(publisher.publish, { service: "greetings" })); // first: what answers before it leaves no record
app.get("/hello/:name", (c) => c.text(`Hello, ${c.req.param("name")}!\n`));

const server = serve({ fetch: app.fetch, port: Number(PORT) }, ({ port }) => {
  console.log(`http://127.0.0.1:${port}/hello/world`);
});
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => server.close(() => publisher.close())); // last: requests in flight leave records too
}
