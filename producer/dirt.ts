import type { Dirt } from "../contract/dirt.ts";
import { REQUEST_LOGS_OF } from "../contract/request-log.ts";
import { stream, weighted, type Rng } from "../contract/random.ts";
import type { Publisher } from "./publisher.ts";
import type { SyntheticLog, SyntheticLogs } from "./synthetic.ts";

/** Of what has been written, by what was done to it. */
export interface DirtCounts {
  late: number;
  duplicate: number;
  shuffle: number;
  mended: number; // malformed, yet stored: cut to the column, or with U+FFFD for half a character
  dead: number; // malformed for good: a dead letter
}

export interface DirtyWriter {
  /** Writes the next record, clean or not. */
  write(timeMs: number): void;
  /** Writes what is still held back. */
  flush(): void;
  readonly counts: Readonly<DirtCounts>;
}

/** How many records later, at most, a twin or a record out of order comes. */
const SPAN = 1_000;
const HOUR_MS = 3_600_000;

/**
 * Writes records as a careless world does: some late, doubled, out of order or malformed. A twin has the number of the first, so it adds
 * no row; what becomes a dead letter has no number, but begins with `source`, by which it can be found.
 */
export function createDirtyWriter(
  logs: SyntheticLogs,
  { publishJson, publishAsIs, source }: Pick<Publisher, "publishJson" | "publishAsIs" | "source">,
  dirt: Dirt,
  seed: number,
): DirtyWriter {
  const rng = stream(seed, "dirt");
  const { late, duplicate, shuffle, malformed } = dirt;
  const choose = weighted([1 - late - duplicate - shuffle - malformed, late, duplicate, shuffle, malformed]);
  const counts: DirtCounts = { late: 0, duplicate: 0, shuffle: 0, mended: 0, dead: 0 };
  const held = Array.from({ length: SPAN }, (): (() => void)[] => []); // by when, modulo SPAN
  let n = 0;

  const hold = (send: () => void) => held[(n + 1 + rng.integer(SPAN - 1)) % SPAN]!.push(send);
  const publish = ({ level, json }: SyntheticLog) => publishJson(REQUEST_LOGS_OF[level], json);

  function release(slot: number): void {
    for (const send of held[slot]!.splice(0)) send();
  }

  function writeMalformed(timeMs: number): void {
    const breakIt = rng.pick(WAYS_TO_BREAK);
    const { level, json } = logs.next(
      breakIt === inTheFuture ? timeMs + HOUR_MS * (2 + rng.integer(22)) : timeMs,
    );
    if (MENDED.has(breakIt)) {
      counts.mended++;
      publishJson(REQUEST_LOGS_OF[level], breakIt(json, rng));
    } else {
      counts.dead++;
      publishAsIs(REQUEST_LOGS_OF[level], breakIt(`{"source":"${source}",${json.slice(1)}`, rng));
    }
  }

  return {
    write(timeMs) {
      n++;
      release(n % SPAN);
      switch (choose(rng)) {
        case 0:
          publish(logs.next(timeMs));
          return;
        case 1:
          counts.late++;
          publish(logs.next(timeMs - 1 - rng.integer(dirt.age_ms)));
          return;
        case 2: {
          counts.duplicate++;
          const log = logs.next(timeMs);
          const sent = publish(log);
          if (sent !== undefined) hold(() => publishAsIs(REQUEST_LOGS_OF[log.level], sent));
          return;
        }
        case 3: {
          counts.shuffle++;
          const log = logs.next(timeMs);
          hold(() => publish(log));
          return;
        }
        default:
          writeMalformed(timeMs);
      }
    },
    flush() {
      for (let slot = 0; slot < SPAN; slot++) release(slot);
    },
    counts,
  };
}

/** @returns the text of a record, broken; one that begins with the source keeps it */
type Break = (json: string, rng: Rng) => string;

const cutOff: Break = (json, rng) => json.slice(0, json.length >> (1 + rng.integer(2)));
const wrapped: Break = (json) => `[${json}]`;
const quoted: Break = (json) => JSON.stringify(json);
const withoutMethod: Break = (json) => json.replace(/"method":"[A-Z]+",/, "");
const withoutStatus: Break = (json) => json.replace(/"status_code":\d+,/, "");
const strangeStatus: Break = (json) => json.replace(/"status_code":\d+/, `"status_code":"teapot"`);
const negativeTime: Break = (json) => json.replace('"response_time_ms":', '"response_time_ms":-1');
const inTheFuture: Break = (json) => json; // it was drawn with such a time
const longTexts: Break = (json) =>
  json.replace(/"user_agent":"[^"]+"/, (field) => field.slice(0, -1) + "+".repeat(2_000) + '"');
const halfCharacter: Break = (json) => json.replace('"user_agent":"', '"user_agent":"\\ud83d');

const MENDED: ReadonlySet<Break> = new Set([longTexts, halfCharacter]);
const WAYS_TO_BREAK: readonly Break[] = [
  ...[cutOff, wrapped, quoted, withoutMethod, withoutStatus, strangeStatus, negativeTime, inTheFuture],
  ...MENDED,
];
