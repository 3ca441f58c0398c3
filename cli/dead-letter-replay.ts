import { ORIGIN_HEADER, ORIGIN_TIME_HEADER, originOf } from "../contract/record.ts";
import type { Connection, Row } from "../init_db/database.ts";
import { sendInPieces, type BatchProducer, type KeyedRecord } from "../kafka/producer.ts";
import type { Found } from "./dead-letter-filter.ts";

const MOST_LETTERS = 500; // of one send; either bound is reached first
const MOST_BYTES = 512 * 2 ** 10;

/**
 * Sends dead letters to their topics again, raw, with where and when they stood first: a record without an id gets the same one each
 * time, so however often this is done there is one row. Each is marked after Kafka has it.
 * @param onSent told how many were sent so far
 */
export async function replayLetters(
  connection: Connection,
  producer: BatchProducer,
  letters: readonly Found[],
  onSent: (count: number) => void,
): Promise<void> {
  let sent = 0;
  for (const batch of batchesOf(letters)) {
    const ids = batch.map(({ id }) => id);
    const [rows] = await connection.query<Row[]>(
      `SELECT cluster, topic, \`partition\`, CAST(\`offset\` AS CHAR) AS \`offset\`, first_origin, record_key, value,
              ROUND(UNIX_TIMESTAMP(record_time) * 1000) AS record_ms FROM dead_letters WHERE id IN (?) ORDER BY id`,
      [ids],
    );
    for (const [topic, records] of recordsByTopic(rows)) await sendInPieces(producer, topic, records);
    await connection.query("UPDATE dead_letters SET replayed_at = UTC_TIMESTAMP(3) WHERE id IN (?)", [ids]);
    onSent((sent += batch.length));
  }
}

function* batchesOf(letters: readonly Found[]): Generator<readonly Found[]> {
  let [from, bytes] = [0, 0];
  for (const [i, letter] of letters.entries()) {
    if (i > from && (i - from === MOST_LETTERS || bytes + letter.bytes > MOST_BYTES)) {
      yield letters.slice(from, i);
      [from, bytes] = [i, 0];
    }
    bytes += letter.bytes;
  }
  if (from < letters.length) yield letters.slice(from);
}

function recordsByTopic(rows: readonly Row[]): Map<string, KeyedRecord[]> {
  const records = new Map<string, KeyedRecord[]>();
  for (const row of rows) {
    const topic = String(row["topic"]);
    records.set(topic, [...(records.get(topic) ?? []), recordOf(row)]);
  }
  return records;
}

function recordOf(row: Row): KeyedRecord {
  const origin = originOf({
    ...{ cluster: String(row["cluster"]), topic: String(row["topic"]), partition: Number(row["partition"]) },
    ...{ offset: BigInt(String(row["offset"])), origin: (row["first_origin"] as string | null) ?? undefined },
  });
  return {
    key: row["record_key"] as Buffer | null,
    value: row["value"] as Buffer | null,
    headers: {
      [ORIGIN_HEADER]: origin,
      [ORIGIN_TIME_HEADER]: String(Math.max(0, Number(row["record_ms"]))), // Kafka says -1 for none
    },
  };
}
