import type { LogRange } from "../kafka/admin.ts";
import type { IngestConnection, IngestConnections } from "./connection.ts";
import { sqlErrorNumber, VALUE_MUST_NOT_BE_NULL } from "./faults.ts";
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

/** What SQL says of a partition; undefined when nobody has stored any of it. To be asked before the log ({@link loadPosition}). */
export async function knownPosition(
  connections: IngestConnections,
  at: Partition,
): Promise<bigint | undefined> {
  return connections.use((connection) => findPosition(connection, at));
}

/**
 * Where to read on. A partition without a position gets one at the start of its log. A position outside the
 * log (retention was faster, or the topic was made anew) leaves a row in `ingest_gaps` and restarts at the log's start:
 * said, never skipped in silence.
 * @param known the position as it was before `log` was read: another consumer may have gone on beyond that end since
 */
export async function loadPosition(
  connections: IngestConnections,
  at: Partition,
  known: bigint | undefined,
  log: LogRange,
  owner: string,
): Promise<{ position: bigint; gap?: Gap }> {
  return connections.use(async (connection) => {
    if (known === undefined) return { position: await createPosition(connection, at, log.start, owner) };
    if (known >= log.start && known <= log.end) return { position: await readPosition(connection, at) };
    const isRecorded = await recordGap(connection, at, known, log);
    const position = await readPosition(connection, at);
    return isRecorded ? { position, gap: { from: known, to: log.start } } : { position };
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

/** @returns false when another consumer has moved the position meanwhile: then there is no gap of ours */
async function recordGap(
  connection: IngestConnection,
  at: Partition,
  position: bigint,
  log: LogRange,
): Promise<boolean> {
  try {
    await connection.run(
      [
        "BEGIN",
        `UPDATE ingest_offsets SET next_offset = IF(next_offset = ${number(position)}, ${number(log.start)}, NULL) ${wherePartition(at)}`,
        `INSERT INTO ingest_gaps (cluster, topic, \`partition\`, from_offset, to_offset, log_end)
         VALUES (${text(at.cluster)}, ${text(at.topic)}, ${number(at.partition)}, ${number(position)}, ${number(log.start)}, ${number(log.end)})`,
        "COMMIT",
      ].join(";\n"),
    );
    return true;
  } catch (error) {
    if (sqlErrorNumber(error) !== VALUE_MUST_NOT_BE_NULL) throw error;
    await connection.run("ROLLBACK");
    return false;
  }
}
