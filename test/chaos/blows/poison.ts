import { setTimeout as wait } from "node:timers/promises";
import { createLogger } from "../../../contract/logger.ts";
import { REQUEST_LOG_TOPICS } from "../../../contract/request-log.ts";
import { createKafka } from "../../../kafka/client.ts";
import { createBatchProducer, type KeyedRecord } from "../../../kafka/producer.ts";
import type { Kind } from "../schedule.ts";

const SHARE = 0.01; // of the load
const EVERY_MS = 100;

const GOOD = JSON.stringify({
  ...{ v: 1, endpoint: "/poison", method: "GET", status_code: 200, response_time_ms: 1 },
  timestamp: "2020-01-01T00:00:00.000Z",
});

/** None of them can become a row. */
const GARBAGE: readonly (Buffer | string | null)[] = [
  null,
  "",
  "not json",
  "[1, 2, 3]",
  GOOD.slice(0, GOOD.length / 2), // cut off
  GOOD.replace("200", '"two hundred"'),
  GOOD.replace('"GET"', "{}"),
  GOOD.replace('"response_time_ms":1', '"response_time_ms":-1'),
  Buffer.from([0xff, 0xfe, 0x00, 0x80]),
  `{"endpoint":"/huge","extra":"${"x".repeat(900_000)}"}`,
  "[".repeat(100_000),
];

/** One record in a hundred is garbage: dead letters, and no topic pauses for it. */
export const poisonBlows: Readonly<Record<string, Kind>> = {
  "poison-one-percent": (rng) => {
    const forMs = 3_000 + rng.integer(5_000);
    const picks = Array.from(
      { length: 2_000 },
      () => [rng.pick(REQUEST_LOG_TOPICS), rng.pick(GARBAGE)] as const,
    );
    return {
      name: `one record in a hundred is garbage for ${forMs} ms`,
      hits: [],
      async strike({ env, ratePerSecond, database, until }) {
        const logger = createLogger("chaos");
        const brokers = env["KAFKA_BROKERS"]!.split(",");
        const producer = createBatchProducer(createKafka({ brokers, clientId: "rushhour-chaos", logger }));
        const deadLetters = async () =>
          Number((await database.ask("SELECT COUNT(*) AS n FROM dead_letters"))[0]!["n"]);
        const before = await deadLetters();
        let sent = 0;
        const beganMs = performance.now();
        for (let elapsedMs = 0; elapsedMs < forMs; elapsedMs = performance.now() - beganMs) {
          const due = Math.min(picks.length, Math.ceil((elapsedMs / 1_000) * ratePerSecond * SHARE));
          for (; sent < due; sent++) {
            const [topic, value] = picks[sent]!;
            const record: KeyedRecord = {
              key: null,
              value: value === null ? null : Buffer.from(value),
              headers: {},
            };
            await producer.send(new Map([[topic, [record]]]));
          }
          await wait(EVERY_MS);
        }
        await producer.close();
        await until(`${sent} more dead letters`, async () => (await deadLetters()) >= before + sent);
        const paused = await database.ask("SELECT topic FROM topic_pauses WHERE resumed_at IS NULL");
        if (paused.length > 0)
          throw new Error(`${String(paused[0]!["topic"])} was paused for 1 % of garbage`);
      },
    };
  },
};
