/**
 * Request logs in the plain shape, by any Kafka client: nothing of rushhour is needed to write them. A record without an id gets one
 * from where it stands in Kafka; ours bring one, so that what is sent twice is one row.
 */
import { randomUUID } from "node:crypto";
import { Kafka } from "kafkajs";

const { KAFKA_BROKERS = "127.0.0.1:9092" } = process.env;
const count = Number(process.argv[2] ?? 20);
const run = randomUUID().slice(0, 8);

const producer = new Kafka({ clientId: "lesson", brokers: KAFKA_BROKERS.split(",") }).producer();
await producer.connect();
for (let n = 1; n <= count; n++) {
  const failed = n % 10 === 0;
  const record = {
    request_id: `lesson-${run}-${n}`,
    endpoint: "/lessons",
    method: "GET",
    status_code: failed ? 500 : 200,
    response_time_ms: 5 + (n % 7),
    user_agent: "lesson/1",
    timestamp: new Date().toISOString().slice(0, 19).replace("T", " "), // UTC
  };
  await producer.send({
    topic: failed ? "error-logs" : "info-logs",
    messages: [{ value: JSON.stringify(record) }],
  });
}
await producer.disconnect();
console.log(`${count} records, request_id lesson-${run}-1 to lesson-${run}-${count}`);
