import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { Command } from "commander";
import { readSettings, spoolRoot, tailSettings } from "../contract/config.ts";
import { messageOf, RushhourError } from "../contract/errors.ts";
import { inOneLine } from "../contract/harmless.ts";
import { requestIdAt } from "../contract/request-id.ts";
import { openSpool } from "../producer/spool/open.ts";
import { followFile, type Follower } from "../producer/tail/follow.ts";
import { savedPositions } from "../producer/tail/positions.ts";
import { idOfLine, lineReader } from "../producer/tail/records.ts";
import { integer } from "../simulator/report/format.ts";
import { publishing, type Publishing } from "./publishing.ts";
import { openScreen } from "./screen.ts";
import { kafkaOf } from "./servers.ts";

interface Options {
  readonly fromStart?: boolean;
  readonly once?: boolean;
  readonly service?: string;
  readonly verbose?: boolean;
}

export function tailCommand(): Command {
  return new Command("tail")
    .description("Follow access logs of nginx or Apache: each line becomes a request log")
    .argument("<file...>", "access logs, combined or common; - for standard input")
    .option(
      "--from-start",
      "read files from their start (default: from where it stopped, at first from the end)",
    )
    .option("--once", "end at the end of the files; ones never read before are read from their start")
    .option("--service <name>", 'service of the records (TAIL_SERVICE, default "web")')
    .option("--verbose", "show each line that is no request, with its reason")
    .addHelpText(
      "after",
      `
Follows rotation by renaming and by copytruncate. How far it came is kept in <home>/tail, saved when the records are on
disk or in Kafka: started again, also after kill -9, it goes on there, and what is read twice is one row (docs/ingest.md).

Examples:
  rushhour tail /var/log/nginx/access.log
  rushhour tail --once --service shop access.log access.log.1
  zcat access.log.2.gz | rushhour tail -`,
    )
    .action(tail);
}

const POLL_MS = 250;
const RETRY_MS = 200;

interface Counts {
  published: number;
  readonly leftOut: Map<string, number>;
}

/** A line with the id its record gets. */
interface Line {
  readonly text: string;
  readonly id: string;
}

/** Where lines come from. */
interface Source {
  read(): Promise<readonly Line[]>; // none: nothing new
  /** What was read is published. */
  keep(): void;
  readonly isDone: () => boolean;
  close(): Promise<void>;
}

async function tail(paths: string[], options: Options): Promise<void> {
  const settings = readSettings(tailSettings, process.env, {
    TAIL_SERVICE: { flag: "--service", value: options.service },
  });
  const who = { service: "tail", instance: settings.RUSHHOUR_INSTANCE ?? hostname() };
  const { RUSHHOUR_SPOOL_MAX: capBytes, RUSHHOUR_SPOOL_FSYNC: fsync } = settings;
  const folder = join(settings.RUSHHOUR_HOME, "tail");
  const sources = await Promise.all(
    paths.map((path) =>
      path === "-" ? Promise.resolve(standardInput()) : fileSource(resolve(path), folder, options),
    ),
  );
  const counts: Counts = { published: 0, leftOut: new Map() };
  const read = lineReader({ service: settings.TAIL_SERVICE, instance: who.instance });
  try {
    await publishing(
      "tail",
      kafkaOf(settings),
      (parts) => followAll(sources, read, parts, counts, options),
      () => openSpool({ ...who, root: spoolRoot(settings), mode: "always", capBytes, fsync }),
    );
  } finally {
    for (const source of sources) await source.close();
  }
  console.log(summaryOf(counts));
}

async function followAll(
  sources: readonly Source[],
  read: ReturnType<typeof lineReader>,
  { publisher, stop }: Publishing,
  counts: Counts,
  { verbose = false }: Options,
): Promise<void> {
  const screen = openScreen(process.stderr);
  const isTerminal = process.stderr.isTTY;

  async function publish(lines: readonly Line[]): Promise<boolean> {
    const records = lines.flatMap(({ text, id }) => {
      if (text.trim() === "") return [];
      const record = read(text, id);
      if (typeof record !== "string") return [record];
      counts.leftOut.set(record, (counts.leftOut.get(record) ?? 0) + 1);
      if (verbose) screen.say(`${record}: ${inOneLine(text.slice(0, 200))}`);
      return [];
    });
    for (let rest = records; rest.length > 0;) {
      while (!publisher.hasRoom() && !stop.aborted) await wait(RETRY_MS);
      if (stop.aborted) return false; // read again at the next start
      const taken = await Promise.all(rest.map((record) => Promise.resolve(publisher.publish(record))));
      counts.published += taken.filter(Boolean).length;
      rest = rest.filter((_, n) => !taken[n]);
      if (rest.length > 0) await wait(RETRY_MS);
    }
    return true;
  }

  while (!stop.aborted && !sources.every((source) => source.isDone())) {
    let isIdle = true;
    for (const source of sources) {
      const lines = await source.read();
      if (!(await publish(lines))) break;
      source.keep();
      if (lines.length > 0) isIdle = false;
    }
    if (isTerminal) screen.show([summaryOf(counts)], ["Ctrl-C ends it"]);
    if (isIdle) await wait(POLL_MS, undefined, { signal: stop }).catch(() => undefined);
  }
  screen.clear();
}

async function fileSource(
  path: string,
  folder: string,
  { fromStart = false, once = false }: Options,
): Promise<Source> {
  const saved = savedPositions(folder, path);
  const positions = fromStart ? [] : saved.load();
  let follower: Follower;
  try {
    follower = await followFile(path, { positions, fromStart: fromStart || once });
  } catch (error) {
    throw new RushhourError("CONFIG_INVALID", `the access log ${path} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (follower.missing > 0)
    console.error(`${path}: ${follower.missing} rotated away and gone; what was not read of it is missing`);
  let emptyReads = 0; // after the first one the next file may have been opened
  return {
    async read() {
      const lines = await follower.read();
      emptyReads = lines.length > 0 ? 0 : emptyReads + 1;
      return lines.map(({ text, offset, head }) => ({ text, id: idOfLine(path, head.hash, offset) }));
    },
    keep: () => saved.save(follower.positions()),
    isDone: () => once && emptyReads > 1,
    close: () => follower.close(),
  };
}

const STDIN_LINES = 1_000;

/** Nobody knows where a line of standard input stands, so each gets a new id. */
function standardInput(): Source {
  const lines = createInterface({ input: process.stdin, crlfDelay: Infinity })[Symbol.asyncIterator]();
  let isDone = false;
  let next: Promise<IteratorResult<string, undefined>> | undefined;
  return {
    async read() {
      const found: Line[] = [];
      while (found.length < STDIN_LINES) {
        next ??= lines.next();
        const result = await Promise.race([next, wait(found.length > 0 ? 0 : POLL_MS)]);
        if (result === undefined) break; // the other files are not kept waiting
        next = undefined;
        if (result.done) {
          isDone = true;
          break;
        }
        found.push({ text: result.value, id: requestIdAt(Date.now()) });
      }
      return found;
    },
    keep: () => undefined,
    isDone: () => isDone,
    async close() {
      await lines.return?.();
      process.stdin.destroy();
    },
  };
}

/** Such as `1,204 published, 3 left out: 2 unreadable, 1 no request`. */
function summaryOf({ published, leftOut }: Counts): string {
  const total = [...leftOut.values()].reduce((sum, count) => sum + count, 0);
  const reasons = [...leftOut].map(([reason, count]) => `${integer(count)} ${reason}`).join(", ");
  return `${integer(published)} published${total > 0 ? `, ${integer(total)} left out: ${reasons}` : ""}`;
}
