import { createInterface } from "node:readline/promises";
import { Command } from "commander";
import pc from "picocolors";
import { kafkaSettings, readSettings, sqlSettings } from "../contract/config.ts";
import { messageOf, RushhourError } from "../contract/errors.ts";
import { createLogger } from "../contract/logger.ts";
import { writeAudit } from "../init_db/audit.ts";
import { connect, type Connection, type Row } from "../init_db/database.ts";
import { createKafka, type KafkaServers } from "../kafka/client.ts";
import { createBatchProducer } from "../kafka/producer.ts";
import { byTopic, conditionOf, findLetters, flagsOf, idsOf } from "./dead-letter-filter.ts";
import { readFilter, withFilter } from "./dead-letter-filter.ts";
import type { FilterOptions, FilterSettings, Found } from "./dead-letter-filter.ts";
import { replayLetters } from "./dead-letter-replay.ts";
import { harmless } from "../contract/harmless.ts";
import { databaseError, withKafka } from "./reach.ts";
import { openScreen } from "./screen.ts";
import { kafkaOf, ownerUrlOf, type ServerSettings } from "./servers.ts";
import type { Column } from "./sql-result.ts";
import { tableOf } from "./sql-table.ts";

const LISTED = 20;

export function deadLettersCommand(): Command {
  const command = new Command("dead-letters")
    .description("Records that could not become rows: look at them, send them again, delete them")
    .addHelpText(
      "after",
      `
They are rows of the table dead_letters, raw and with the reason; docs/dead-letters.md says more. Reads
MYSQL_URL (the owner); replay reads KAFKA_BROKERS too.

Examples:
  rushhour dead-letters list --topic info-logs --since now-1h
  rushhour dead-letters show 17
  rushhour dead-letters replay --reason refused_by_sql
  rushhour dead-letters purge --until now-30d --yes
  rushhour dead-letters resume info-logs`,
    );
  withFilter(
    command.command("list", { isDefault: true }).description("list them, newest first"),
    `so many at most (default ${LISTED})`,
  )
    .option("--json", "print JSON")
    .action((options: FilterOptions & { json?: boolean }) =>
      list(readFilter(options), options.json ?? false),
    );
  command
    .command("show")
    .description("print all of one, with its value")
    .argument("<id>")
    .option("--json", "print JSON")
    .action((id: string, options: { json?: boolean }) => show(idsOf([id])[0]!, options.json ?? false));
  withFilter(
    command
      .command("replay")
      .description("send them to their topics again; what was replayed counts no more")
      .argument("[ids...]"),
    "so many at most, oldest first (default all)",
  )
    .option("--again", "also those that were replayed before (with ids always)")
    .action((ids: string[], options: FilterOptions & { again?: boolean }) =>
      replay(idsOf(ids), readFilter(options), options.again ?? false),
    );
  withFilter(
    command.command("purge").description("delete them for good, after a question").argument("[ids...]"),
    "so many at most, oldest first (default all)",
  )
    .option("--yes", "do not ask")
    .action((ids: string[], options: FilterOptions & { yes?: boolean }) =>
      purge(idsOf(ids), readFilter(options), options.yes ?? false),
    );
  command
    .command("resume")
    .description("read a topic on that was paused because most of it became dead letters")
    .argument("<topic>")
    .action(resume);
  return command;
}

/** @throws RushhourError when the database is away, refuses the owner or has no tables of ours */
async function asOwner<T>(
  settings: ServerSettings,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const url = ownerUrlOf(settings);
  const connection = await connect(url).catch((error: unknown) => {
    throw notMigrated(error) ?? databaseError(error, url, "MYSQL_URL");
  });
  try {
    return await work(connection);
  } catch (error) {
    throw notMigrated(error) ?? error;
  } finally {
    connection.destroy();
  }
}

const NOT_MIGRATED: readonly unknown[] = [1049, 1054, 1146]; // no such database, column, table

function notMigrated(error: unknown): RushhourError | undefined {
  if (!NOT_MIGRATED.includes((error as { errno?: unknown }).errno)) return undefined;
  return new RushhourError(
    "CONFIG_INVALID",
    "the database has no tables of this version yet: run npx rushhour migrate first",
    { cause: error },
  );
}

/** Does it and says so in `audit_log`, with how many it were; also of what ended half-way. */
async function audited(
  connection: Connection,
  change: { readonly action: string; readonly target: string },
  work: (onDone: (count: number) => void) => Promise<void>,
): Promise<void> {
  let records = 0;
  const write = (result: "done" | "failed") =>
    writeAudit(connection, { ...change, via: "cli", result, detail: { records } });
  try {
    await work((count) => (records = count));
  } catch (error) {
    await write("failed").catch(() => undefined); // the connection may be what failed
    throw error;
  }
  await write("done");
}

const FIELDS = `id, stored_at, cluster, topic, \`partition\`, CAST(\`offset\` AS CHAR) AS \`offset\`, reason, detail, request_id, run_id,
  source, seq, record_time, copied_at, replayed_at, first_origin, LENGTH(value) AS bytes`;

async function list(settings: FilterSettings, asJson: boolean): Promise<void> {
  const { sql, params } = conditionOf(settings);
  const { letters, count, pauses } = await asOwner(settings, async (connection) => {
    const [rows] = await connection.query<Row[]>(
      `SELECT ${FIELDS} FROM dead_letters WHERE ${sql} ORDER BY id DESC LIMIT ?`,
      [...params, settings.DEAD_LETTERS_LIMIT ?? LISTED],
    );
    const [[counted]] = await connection.query<Row[]>(
      `SELECT COUNT(*) AS letters FROM dead_letters WHERE ${sql}`,
      [...params],
    );
    return { letters: rows, count: Number(counted?.["letters"]), pauses: await pausedTopics(connection) };
  });
  if (asJson) {
    console.log(JSON.stringify(letters.map(plain), null, 2));
    return;
  }
  if (letters.length === 0) console.log("no dead letters: every record became a row");
  else {
    console.log(tableOf(COLUMNS, letters.map(lineOf), process.stdout.columns || Infinity));
    const shown = letters.length.toLocaleString("en");
    console.log(
      pc.dim(`${shown} of ${count.toLocaleString("en")}; all of one: rushhour dead-letters show <id>`),
    );
  }
  for (const pause of pauses) console.log(pc.yellow(pauseText(pause)));
}

const COLUMNS: readonly Column[] = [
  { name: "id", kind: "number" },
  { name: "time UTC", kind: "time" },
  { name: "topic/partition/offset", kind: "time" }, // whole, as a time is
  { name: "reason", kind: "text" },
  { name: "replayed", kind: "text" },
  { name: "detail", kind: "text" },
];

function lineOf(letter: Row): Buffer[] {
  const { id, stored_at, topic, partition, offset, reason, replayed_at, detail } = letter;
  const texts: unknown[] = [
    ...[
      id as unknown,
      timeText(stored_at),
      `${String(topic)}/${String(partition)}/${String(offset)}`,
      reason as unknown,
    ],
    ...[replayed_at === null ? "" : timeText(replayed_at).slice(5, 16), detail as unknown],
  ];
  return texts.map((value) => Buffer.from(String(value)));
}

const timeText = (time: unknown) => (time as Date).toISOString().slice(0, 19).replace("T", " ");

/** As JSON has it: an offset keeps its digits. */
const plain = ({ offset, ...letter }: Row) => ({ ...letter, offset: String(offset) });

type Fields = Readonly<Record<string, Date | string | number | null>>;

async function show(id: number, asJson: boolean): Promise<void> {
  const settings = readSettings(sqlSettings);
  const letter = await asOwner(settings, async (connection) => {
    const [[row]] = await connection.query<Row[]>(
      `SELECT ${FIELDS}, record_key, value FROM dead_letters WHERE id = ?`,
      [id],
    );
    return row;
  });
  if (!letter) {
    throw new RushhourError(
      "CONFIG_INVALID",
      `there is no dead letter ${id}: npx rushhour dead-letters list shows those that are there`,
    );
  }
  const { record_key, value, ...fields } = plain(letter) as Record<string, unknown>;
  const [key, text] = [textOf(record_key), textOf(value)];
  if (asJson) {
    console.log(JSON.stringify({ ...fields, record_key: key, value: text }, null, 2));
    return;
  }
  for (const [name, field] of Object.entries({ ...fields, record_key: key } as Fields)) {
    const shown = field instanceof Date ? field.toISOString() : String(field ?? "-");
    console.log(`${pc.bold(name.padEnd(12))}  ${harmless(shown)}`);
  }
  console.log(`\n${text === null ? "(the record has no value)" : harmless(text).replaceAll("\r", "\\r")}`);
}

/** Text where the bytes are UTF-8, else 0x…; null is null. */
function textOf(bytes: unknown): string | null {
  if (!Buffer.isBuffer(bytes)) return null;
  const text = bytes.toString("utf8");
  return Buffer.from(text).equals(bytes) ? text : `0x${bytes.toString("hex")}`;
}

async function replay(ids: readonly number[], settings: FilterSettings, again: boolean): Promise<void> {
  const chosen = conditionOf(settings, ids);
  const condition =
    again || ids.length > 0
      ? chosen
      : { ...chosen, sql: `${chosen.sql} AND replayed_at IS NULL AND value IS NOT NULL` };
  const kafka = kafkaOf(settings);
  const logger = createLogger("dead-letters");
  await asOwner(settings, async (connection) => {
    const letters = await findLetters(connection, condition, settings.DEAD_LETTERS_LIMIT);
    if (letters.length === 0) {
      console.log("there are no such dead letters to replay");
      return;
    }
    await refuseWithoutTopics(kafka, letters);
    const producer = createBatchProducer(
      createKafka({ ...kafka, clientId: "rushhour-dead-letters", logger }),
    );
    const screen = openScreen(process.stderr);
    let sent = 0;
    try {
      const target = `${flagsOf(settings, ids)}${again ? " --again" : ""}`;
      const change = { action: "dead-letters.replay", target };
      await audited(connection, change, (onDone) =>
        replayLetters(connection, producer, letters, (count) => {
          onDone((sent = count));
          screen.show([`${count.toLocaleString("en")} of ${letters.length.toLocaleString("en")} replayed`]);
        }),
      );
    } catch (error) {
      throw new RushhourError(
        "SERVER_UNREACHABLE",
        `${sent} of ${letters.length} were replayed, then: ${messageOf(error)}. The same again goes on; no row comes twice`,
        { cause: error },
      );
    } finally {
      screen.clear();
      await producer.close();
    }
    console.log(`replayed ${byTopic(letters)}`);
    console.log(
      pc.dim("what is refused again is a new dead letter: rushhour dead-letters list --since now-5m"),
    );
  });
}

async function refuseWithoutTopics(kafka: KafkaServers, letters: readonly Found[]): Promise<void> {
  await withKafka(kafka, createLogger("dead-letters"), async (admin) => {
    const known = new Set((await admin.describeTopics()).map(({ name }) => name));
    const missing = [...new Set(letters.map(({ topic }) => topic))].filter((topic) => !known.has(topic));
    if (missing.length === 0) return;
    throw new RushhourError(
      "CONFIG_INVALID",
      `Kafka at ${kafka.brokers.join(", ")} has no topic ${missing.join(", ")}: npx rushhour topics makes ours, --topic chooses among them`,
    );
  });
}

const DELETED_AT_ONCE = 1_000;

async function purge(ids: readonly number[], settings: FilterSettings, yes: boolean): Promise<void> {
  await asOwner(settings, async (connection) => {
    const letters = await findLetters(connection, conditionOf(settings, ids), settings.DEAD_LETTERS_LIMIT);
    if (letters.length === 0) {
      console.log("there are no such dead letters to delete");
      return;
    }
    if (!yes && !(await confirmed(letters))) {
      console.log("nothing was deleted");
      return;
    }
    const change = { action: "dead-letters.purge", target: flagsOf(settings, ids) };
    await audited(connection, change, async (onDone) => {
      for (let i = 0; i < letters.length; i += DELETED_AT_ONCE) {
        const some = letters.slice(i, i + DELETED_AT_ONCE).map(({ id }) => id);
        await connection.query("DELETE FROM dead_letters WHERE id IN (?)", [some]);
        onDone(i + some.length);
      }
    });
    console.log(`deleted ${byTopic(letters)}`);
  });
}

async function confirmed(letters: readonly Found[]): Promise<boolean> {
  const question = `delete ${byTopic(letters)} for good? Ledgers of their runs will call them missing`;
  if (!process.stdin.isTTY)
    throw new RushhourError("CONFIG_INVALID", `${question}: without a terminal add --yes`);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines.question(`${question} [y/N] `);
  lines.close();
  return /^y(?:es)?$/i.test(answer.trim());
}

async function pausedTopics(connection: Connection): Promise<Row[]> {
  const [pauses] = await connection.query<Row[]>(
    "SELECT topic, paused_at, dead_letters, records FROM topic_pauses WHERE resumed_at IS NULL ORDER BY topic",
  );
  return pauses;
}

function pauseText({ topic, paused_at, dead_letters, records }: Row): string {
  const name = String(topic);
  return `${name} is paused since ${timeText(paused_at)}: ${String(dead_letters)} of ${String(records)} records within a minute became dead letters; rushhour dead-letters resume ${name} goes on`;
}

async function resume(topic: string): Promise<void> {
  const settings = readSettings(kafkaSettings.extend(sqlSettings.shape));
  await asOwner(settings, async (connection) => {
    const pauses = await pausedTopics(connection);
    const paused = pauses.find((pause) => pause["topic"] === topic);
    if (!paused) {
      const names = pauses.map((pause) => String(pause["topic"])).join(", ");
      throw new RushhourError(
        "CONFIG_INVALID",
        `topic ${topic} is not paused: ${names === "" ? "none is" : `paused ${names.includes(", ") ? "are" : "is"} ${names}`}`,
      );
    }
    await connection.query(
      "UPDATE topic_pauses SET resumed_at = UTC_TIMESTAMP(3) WHERE topic = ? AND resumed_at IS NULL",
      [topic],
    );
    const { paused_at, dead_letters, records } = paused;
    await writeAudit(connection, {
      ...{ via: "cli", action: "dead-letters.resume", target: topic, result: "done" },
      detail: { paused_at, dead_letters, records },
    });
    console.log(`${topic} is read on within a second`);
  });
}
