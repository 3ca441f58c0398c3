import { createBatchProducer } from "../kafka/producer.ts";
import { connectAdmin } from "../kafka/admin.ts";
import { REQUEST_LOG_TOPICS, REQUEST_LOGS_OF } from "../contract/request-log.ts";
import { writeFeed, type Feed } from "../producer/feed.ts";
import { createHistory } from "../producer/history.ts";
import { createPublisher } from "../producer/publisher.ts";
import { createSyntheticLogs } from "../producer/synthetic.ts";
import {
  conditions,
  markdownTable,
  REPEATS,
  runBenchmark,
  SEED,
  silent,
  spread,
  startServers,
  stopwatchOfCpu,
  type Servers,
} from "./harness.ts";

/** How fast synthetic logs are made, and how fast Kafka has them, beside the same bytes without us. */

const WAYS = {
  generate: "`createSyntheticLogs`: JSON text of records, one after the other",
  history: "`createHistory`: the same along the curve, with incidents",
  publish: "**`rushhour producer --rate max`**: made, numbered, sent, acknowledged",
  ready: "ready text straight to kafkajs, 2,000 records a send",
} as const;
type Way = keyof typeof WAYS;

interface Figures {
  readonly perSecond: number;
  readonly cpuUs: number | undefined; // a record; undefined where it cannot be read
}

const RECORDS_PER_SEND = 2_000; // as the publisher does it
const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 0, 5);

await runBenchmark({
  name: "producer",
  description: "Synthetic records/s: made on one thread, and acknowledged by a Kafka on this machine",
  options: {
    records: { help: "of each measurement", fallback: 500_000, min: 10_000, max: 10_000_000 },
    repeats: REPEATS,
    seed: SEED,
  },
  async measure(bench, values) {
    const { records, repeats, seed } = values;
    const servers = await startServers(bench, { mariadb: false });
    const measured: Record<Way, () => Promise<void> | void> = {
      generate: () => generate(records, seed),
      history: () => writeHistory(records, seed),
      publish: () => publish(servers, records, seed),
      ready: readyText(servers, records, seed),
    };
    const figures: Record<Way, Figures[]> = { generate: [], history: [], publish: [], ready: [] };
    for (let repeat = 1; repeat <= repeats; repeat++) {
      for (const way of Object.keys(WAYS) as Way[]) {
        const before = await recordsIn(servers);
        const one = await stopwatch(records, measured[way]);
        const arrived = (await recordsIn(servers)) - before;
        if (way === "publish" || way === "ready") assertWhole(arrived, records);
        figures[way].push(one);
        bench.progress(`${repeat}/${repeats} ${way}: ${Math.round(one.perSecond)}/s`);
      }
    }
    const { json } = createSyntheticLogs({ seed, startMs: START_MS, meanPerSecond: 100 }).next(START_MS);
    const rows = (Object.keys(WAYS) as Way[]).map((way) => [
      WAYS[way],
      spread(figures[way].map(({ perSecond }) => perSecond)),
      spread(
        figures[way].flatMap(({ cpuUs }) => cpuUs ?? []),
        1,
      ),
    ]);
    return [
      "## Synthetic records\n",
      conditions(values, servers.labels, ["kafkajs"]),
      `- a record of some ${json.length} bytes; acknowledged: by every in-sync replica, of one broker here`,
      "- every measurement that sends ended with as many records more in the topics, or this report would not be here",
      "- CPU: user and system time of the generating process a record; Kafka's is not in it, nothing is pinned\n",
      markdownTable(["way", "records/s", "CPU µs/record"], rows),
    ].join("\n");
  },
});

async function stopwatch(records: number, work: () => Promise<void> | void): Promise<Figures> {
  const cpu = stopwatchOfCpu(process.pid, records);
  const startedMs = performance.now();
  await work();
  const elapsedMs = performance.now() - startedMs;
  return { perSecond: (records / elapsedMs) * 1_000, cpuUs: cpu() };
}

function generate(records: number, seed: number): void {
  const logs = createSyntheticLogs({ seed, startMs: START_MS, meanPerSecond: 1_000 });
  let bytes = 0;
  for (let n = 0; n < records; n++) bytes += Buffer.byteLength(logs.next(START_MS + n).json); // as one text, not as its parts
  if (bytes < records) throw new Error("records without text");
}

async function writeHistory(records: number, seed: number): Promise<void> {
  const publisher = {
    hasRoom: () => true,
    publishJson: (_to: unknown, json: string) => (Buffer.byteLength(json) > 0 ? json : undefined),
  };
  const history = createHistory(
    {
      ...{ seed, fromMs: START_MS, toMs: START_MS + 30 * DAY_MS, volume: { count: records } },
      onIncident: () => undefined,
    },
    publisher,
  );
  await writeFeed(history, publisher, new AbortController().signal);
}

async function publish({ brokers }: Servers, records: number, seed: number): Promise<void> {
  const publisher = createPublisher({ brokers, service: "bench", logger: silent });
  const logs = createSyntheticLogs({ seed, startMs: Date.now(), meanPerSecond: 1_000 });
  let written = 0;
  const feed: Feed = {
    isDone: () => written >= records,
    isDue: () => true,
    write() {
      written++;
      const { level, json } = logs.next(Date.now());
      publisher.publishJson(REQUEST_LOGS_OF[level], json);
    },
  };
  await writeFeed(feed, publisher, new AbortController().signal);
  await publisher.close();
}

/** The ceiling: what the client library and Kafka can do with text that is there already. */
function readyText({ kafka }: Servers, records: number, seed: number): () => Promise<void> {
  const logs = createSyntheticLogs({ seed, startMs: START_MS, meanPerSecond: 1_000 });
  const values = Array.from({ length: RECORDS_PER_SEND }, (_, n) => logs.next(START_MS + n).json);
  return async () => {
    const producer = createBatchProducer(kafka);
    for (let sent = 0; sent < records; sent += RECORDS_PER_SEND)
      await producer.send(new Map([["info-logs", values.slice(0, records - sent)]]));
    await producer.close();
  };
}

async function recordsIn({ kafka }: Servers): Promise<number> {
  const admin = await connectAdmin(kafka);
  const topics = new Set<string>(REQUEST_LOG_TOPICS);
  const described = await admin.describeTopics();
  await admin.close();
  return described
    .filter(({ name }) => topics.has(name))
    .reduce((sum, { records }) => sum + Number(records), 0);
}

/** @throws Error when a record is missing: then the figures say nothing */
function assertWhole(arrived: number, records: number): void {
  if (arrived !== records) throw new Error(`of ${records} records Kafka has ${arrived}`);
}
