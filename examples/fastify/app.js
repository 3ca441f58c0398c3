import fastify from "fastify";
import { createPublisher, nodeRequestLog, noteError } from "rushhour";

const { KAFKA_BROKERS = "127.0.0.1:9092", PORT = "3000" } = process.env;
const publisher = createPublisher({ brokers: KAFKA_BROKERS.split(","), service: "films" });

const app = fastify();
app.addHook("onRequest", nodeRequestLog(publisher.publish, { service: "films" }));
app.addHook("onError", async (request, reply, error) => noteError(request, error)); // what a handler threw becomes part of the record
app.addHook("onClose", () => publisher.close()); // last: requests in flight leave records too

app.get("/films/:id", (request) => ({ id: request.params.id }));
app.delete("/films/:id", () => {
  throw new Error("the reel is torn");
});

console.log(`${await app.listen({ port: Number(PORT), host: "127.0.0.1" })}/films/7`);
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => app.close());
