import type { LogRange } from "../kafka/admin.ts";
import type { IngestConnection, IngestConnections } from "./connection.ts";
import { number, text } from "./literals.ts";
import { findPosition, readPosition, wherePartition } from "./store.ts";

export interface Partition {
  readonly cluster: string;
  readonly topic: string;
  readonly partition: number;
}

/** Records that left Kafka before they were stored. */
export interface Gap {
  readonly from: bigint;
  readonly to: bigint;
}

/**
 * Where to read on, from SQL. A partition without a position gets one at the start of its log. A position outside the
 * log (retention was faster, or the topic was made anew) leaves a row in `ingest_gaps` and restarts at the log's start:
 * said, never skipped in silence.
 */
export async function loadPosition(
  connections: IngestConnections,
  at: Partition,
  log: LogRange,
  owner: string,
): Promise<{ position: bigint; gap?: Gap }> {
  return connections.use(async (connection) => {
    const position = await findPosition(connection, at);
    if (position === undefined) return { position: await createPosition(connection, at, log.start, owner) };
    if (position >= log.start && position <= log.end) return { position };
    await recordGap(connection, at, position, log);
    return { position: await readPosition(connection, at), gap: { from: position, to: log.start } };
  });
}

/** Several consumers may do so at once: the first one's row stays. */
async function createPosition(
  connection: IngestConnection,
  at: Partition,
  start: bigint,
  owner: string,
): Promise<bigint> {
  await connection.run(
    `INSERT INTO ingest_offsets (cluster, topic, \`partition\`, next_offset, owner)
     VALUES (${text(at.cluster)}, ${text(at.topic)}, ${number(at.partition)}, ${number(start)}, ${text(owner)})
     ON DUPLICATE KEY UPDATE next_offset = ingest_offsets.next_offset`,
  );
  return readPosition(connection, at);
}

async function recordGap(
  connection: IngestConnection,
  at: Partition,
  position: bigint,
  log: LogRange,
): Promise<void> {
  await connection.run(
    [
      "BEGIN",
      `UPDATE ingest_offsets SET next_offset = IF(next_offset = ${number(position)}, ${number(log.start)}, NULL) ${wherePartition(at)}`,
      `INSERT INTO ingest_gaps (cluster, topic, \`partition\`, from_offset, to_offset, log_end)
       VALUES (${text(at.cluster)}, ${text(at.topic)}, ${number(at.partition)}, ${number(position)}, ${number(log.start)}, ${number(log.end)})`,
      "COMMIT",
    ].join(";\n"),
  );
}
