import { messageOf } from "../contract/errors.ts";
import type { Logger } from "../contract/logger.ts";
import { DEAD_LETTERS_TOPIC } from "../contract/topics.ts";
import type { Connection, Row } from "../init_db/database.ts";
import { sendInPieces, type BatchProducer, type KeyedRecord } from "../kafka/producer.ts";
import type { UpkeepTask } from "./upkeep.ts";

const EVERY_MS = 1_000;
const MOST_LETTERS = 1_000; // of one send; either bound is reached first
const MOST_BYTES = 512 * 2 ** 10;

/**
 * Sends each dead letter to the topic `dead-letters`, raw, with its origin `topic/partition/offset` as key and the reason as header. It
 * is marked after Kafka has it, so a consumer that is killed in between sends it again, and what a killed one left is sent by the next.
 * Kafka away is no failure of the task: it would come back minutes later.
 */
export function deadLetterCopies(producer: BatchProducer, logger: Logger): UpkeepTask {
  let said = ""; // the trouble that the log knows of
  return {
    name: "dead-letter-copies",
    everyMs: EVERY_MS,
    async run(connection) {
      for (;;) {
        const letters = await nextLetters(connection);
        if (letters.length === 0) return;
        try {
          await send(producer, letters);
        } catch (error) {
          if (messageOf(error) !== said)
            logger.warn(
              { reason: messageOf(error) },
              `dead letters are not copied to the topic ${DEAD_LETTERS_TOPIC}; npx rushhour topics makes it where it is missing`,
            );
          said = messageOf(error);
          return;
        }
        said = "";
        await connection.query("UPDATE dead_letters SET copied_at = UTC_TIMESTAMP(3) WHERE id IN (?)", [
          letters.map(({ id }) => Number(id)),
        ]);
      }
    },
  };
}

/** The oldest that have no copy, as many as fit a send. */
async function nextLetters(connection: Connection): Promise<Row[]> {
  const [sizes] = await connection.query<Row[]>(
    `SELECT id, COALESCE(LENGTH(value), 0) AS bytes FROM dead_letters WHERE copied_at IS NULL ORDER BY id LIMIT ${MOST_LETTERS}`,
  );
  let bytes = 0;
  const fitting = sizes.filter((size, i) => (bytes += Number(size["bytes"])) <= MOST_BYTES || i === 0);
  if (fitting.length === 0) return [];
  const [letters] = await connection.query<Row[]>(
    "SELECT id, cluster, topic, `partition`, CAST(`offset` AS CHAR) AS `offset`, reason, detail, value FROM dead_letters WHERE id IN (?) ORDER BY id",
    [fitting.map(({ id }) => Number(id))],
  );
  return letters;
}

/** One that is too large for the topic goes without its value, or it would stop all others. */
function send(producer: BatchProducer, letters: readonly Row[]): Promise<void> {
  return sendInPieces(producer, DEAD_LETTERS_TOPIC, letters.map(copyOf), async (copy) => {
    const headers = {
      ...copy.headers,
      "left-out": "the value is too large for this topic: see dead_letters",
    };
    await producer.send(new Map([[DEAD_LETTERS_TOPIC, [{ ...copy, headers, value: null }]]]));
  });
}

function copyOf(letter: Row): KeyedRecord {
  const { topic, partition, offset, reason, detail, value } = letter;
  return {
    key: `${String(topic)}/${String(partition)}/${String(offset)}`,
    value: value as Buffer | null,
    headers: { reason: String(reason), detail: String(detail) },
  };
}
