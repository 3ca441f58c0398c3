import { messageOf } from "../contract/errors.ts";
import type { Logger } from "../contract/logger.ts";
import type { KafkaAdmin } from "../kafka/admin.ts";
import type { TopicPartition } from "../kafka/consumer.ts";
import type { IngestConnections } from "./connection.ts";
import { number } from "./literals.ts";
import { findPosition, wherePartition } from "./store.ts";

export interface PausedLagOptions {
  readonly connections: IngestConnections;
  readonly admin: Pick<KafkaAdmin, "logRanges">;
  readonly cluster: string;
  /** What this consumer holds of topics that are paused. */
  readonly paused: () => readonly TopicPartition[];
  readonly onLag: (at: TopicPartition, records: number) => void;
  readonly logger: Logger;
}

const LOOK_EVERY_MS = 2_000;

/**
 * The lag is known with each batch; while a topic is paused none comes and its records wait in Kafka. So Kafka is asked how many, and metric,
 * `v_lag` and `v_pipeline` go on telling the truth. `updated_at` stays: it says when something was stored last.
 */
export function watchPausedLag(options: PausedLagOptions): { close(): void } {
  const { connections, admin, cluster, logger } = options;
  let isLooking = false;

  async function look(): Promise<void> {
    for (const [topic, held] of Map.groupBy(options.paused(), ({ topic }) => topic)) {
      const ranges = await admin.logRanges(topic);
      for (const at of held) {
        const end = ranges.find(({ partition }) => partition === at.partition)?.end;
        if (end === undefined) continue;
        const position = await connections.use(async (connection) => {
          await connection.run(
            `UPDATE ingest_offsets SET log_end = GREATEST(log_end, ${number(end)}), updated_at = updated_at ${wherePartition({ cluster, ...at })}`,
          );
          return findPosition(connection, { cluster, ...at });
        });
        if (position !== undefined) options.onLag(at, Number(end - position));
      }
    }
  }

  const looks = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    void look()
      .catch((error: unknown) => {
        logger.debug({ reason: messageOf(error) }, "the lag of paused topics cannot be looked up");
      })
      .finally(() => (isLooking = false));
  }, LOOK_EVERY_MS);
  return { close: () => clearInterval(looks) };
}
