import { drawnFrom, sourceOf, textOf, Unknown } from "./frame.ts";
import type { Evaluate, Frame } from "./frame.ts";
import { zipf } from "../../../contract/random.ts";
import type { Rng } from "../../../contract/random.ts";

/** A function of the expression language; gives undefined (nothing) for nothing and for what it cannot take. */
export type NamedFunction = {
  readonly arity: readonly [least: number, most: number];
} & (
  | { readonly of: (...args: never[]) => unknown }
  /** `draws`: how often it asks the random numbers, so that planning asks as often when a value is unknown. */
  | { readonly draws: number; readonly drawn: (rng: Rng, ...args: never[]) => unknown }
  | { readonly clock: () => number }
);

/** No text that a function makes is longer. */
const MAX_TEXT = 10_000;
const ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** By name: what docs/journeys.md lists. */
export const FUNCTIONS: ReadonlyMap<string, NamedFunction> = new Map<string, NamedFunction>(
  Object.entries({
    "random.int": { arity: [2, 2], draws: 1, drawn: randomInt },
    "random.float": { arity: [0, 2], draws: 1, drawn: randomFloat },
    "random.bool": {
      arity: [0, 1],
      draws: 1,
      drawn: (rng: Rng, share: unknown = 0.5) => rng.float() < Number(share),
    },
    "random.pick": { arity: [1, 1], draws: 1, drawn: randomPick },
    "random.uuid": { arity: [0, 0], draws: 4, drawn: uuid },
    "random.string": { arity: [1, 1], draws: 1, drawn: randomString },
    "random.zipf": { arity: [1, 2], draws: 1, drawn: randomZipf },
    "random.lognormal": { arity: [2, 2], draws: 2, drawn: randomLognormal },
    "random.exponential": { arity: [1, 1], draws: 1, drawn: randomExponential },
    now: { arity: [0, 0], clock: Date.now },
    iso_time: { arity: [1, 1], of: (ms: unknown) => isoTime(ms) },
    iso_date: { arity: [1, 1], of: (ms: unknown) => isoTime(ms)?.slice(0, 10) },
    length: { arity: [1, 1], of: length },
    upper: { arity: [1, 1], of: (value: unknown) => textOf(value).toUpperCase() },
    lower: { arity: [1, 1], of: (value: unknown) => textOf(value).toLowerCase() },
    trim: { arity: [1, 1], of: (value: unknown) => textOf(value).trim() },
    text: { arity: [1, 1], of: textOf },
    number: { arity: [1, 1], of: number },
    json: { arity: [1, 1], of: (value: unknown) => JSON.stringify(value) as string | undefined },
    base64: { arity: [1, 1], of: (value: unknown) => Buffer.from(textOf(value)).toString("base64") },
    urlencode: { arity: [1, 1], of: (value: unknown) => encodeURIComponent(textOf(value).toWellFormed()) },
    pad: { arity: [2, 2], of: pad },
    join: { arity: [2, 2], of: join },
    contains: { arity: [2, 2], of: contains },
    round: { arity: [1, 1], of: onNumber(Math.round) },
    floor: { arity: [1, 1], of: onNumber(Math.floor) },
    ceil: { arity: [1, 1], of: onNumber(Math.ceil) },
    abs: { arity: [1, 1], of: onNumber(Math.abs) },
    min: { arity: [2, 2], of: (a: unknown, b: unknown) => onNumbers(Math.min, a, b) },
    max: { arity: [2, 2], of: (a: unknown, b: unknown) => onNumbers(Math.max, a, b) },
  } satisfies Record<string, NamedFunction>),
);

/** The call of `called` with `args`; unknown when one of them is. */
export function callOf(name: string, called: NamedFunction, args: readonly Evaluate[]): Evaluate {
  // The time of a run is not known when it is planned.
  if ("clock" in called) return ({ session }) => (session.planning ? new Unknown("now") : called.clock());
  if ("of" in called) {
    const apply = called.of as (...values: unknown[]) => unknown;
    return (frame) => {
      const values = valuesOf(args, frame);
      if (values.includes(undefined)) return undefined;
      return areKnown(values) ? apply(...values) : new Unknown(callText(name, values));
    };
  }
  const apply = called.drawn as (rng: Rng, ...values: unknown[]) => unknown;
  return (frame) => {
    const { rng } = frame.session;
    const values = valuesOf(args, frame);
    if (values.includes(undefined)) return undefined;
    if (areKnown(values)) return apply(rng, ...values);
    const draw = rng.uint32();
    for (let more = called.draws; more > 1; more--) rng.uint32();
    return drawnFrom(callText(name, values), draw);
  };
}

function valuesOf(args: readonly Evaluate[], frame: Frame): unknown[] {
  return args.map((arg) => arg(frame));
}

function areKnown(values: readonly unknown[]): boolean {
  return !values.some((value) => value instanceof Unknown);
}

function callText(name: string, values: readonly unknown[]): string {
  return `${name}(${values.map(sourceOf).join(",")})`;
}

/** A whole number from `least` to `most`, both possible. */
function randomInt(rng: Rng, least: unknown, most: unknown): number | undefined {
  if (!Number.isSafeInteger(least) || !Number.isSafeInteger(most)) return undefined;
  const [low, high] = [least as number, most as number];
  return low <= high ? low + rng.integer(high - low + 1) : undefined;
}

function randomFloat(rng: Rng, least: unknown = 0, most: unknown = 1): number | undefined {
  return onNumbers((low, high) => low + rng.float() * (high - low), least, most);
}

function randomPick(rng: Rng, list: unknown): unknown {
  return Array.isArray(list) && list.length > 0 ? rng.pick(list as unknown[]) : undefined;
}

function randomString(rng: Rng, length: unknown): string | undefined {
  if (!isLength(length)) return undefined;
  let text = "";
  while (text.length < length) text += ALPHANUMERIC.charAt(rng.integer(ALPHANUMERIC.length));
  return text;
}

/** A rank from 1 to `count`. */
function randomZipf(rng: Rng, count: unknown, exponent: unknown = 1): number | undefined {
  if (!Number.isSafeInteger(count) || typeof exponent !== "number") return undefined;
  const ranks = count as number;
  return ranks >= 1 && ranks <= MAX_RANKS ? 1 + zipfRank(rng, ranks, exponent) : undefined;
}

function randomLognormal(rng: Rng, median: unknown, sigma: unknown): number | undefined {
  return onNumbers((middle, spread) => rng.lognormal(middle, spread), median, sigma);
}

function randomExponential(rng: Rng, mean: unknown): number | undefined {
  return typeof mean === "number" ? rng.exponential(mean) : undefined;
}

/** Version 4, from the seed. */
function uuid(rng: Rng): string {
  const hex = [0, 0, 0, 0].map(() => rng.uint32().toString(16).padStart(8, "0")).join("");
  const variant = "89ab"[parseInt(hex[16]!, 16) & 3]!;
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
}

function isoTime(ms: unknown): string | undefined {
  const time = new Date(typeof ms === "number" ? ms : NaN);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}

function length(value: unknown): number | undefined {
  return typeof value === "string" || Array.isArray(value) ? value.length : undefined;
}

function number(value: unknown): number | undefined {
  const parsed = typeof value === "string" && value.trim() === "" ? NaN : Number(value);
  return Number.isFinite(parsed) ? parsed : undefined;
}

function pad(value: unknown, length: unknown): string | undefined {
  return isLength(length) ? textOf(value).padStart(length, "0") : undefined;
}

function join(list: unknown, separator: unknown): string | undefined {
  return Array.isArray(list) ? list.map(textOf).join(textOf(separator)) : undefined;
}

function contains(whole: unknown, part: unknown): boolean {
  if (Array.isArray(whole)) return whole.includes(part);
  return typeof whole === "string" && whole.includes(textOf(part));
}

function isLength(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= MAX_TEXT;
}

function onNumber(apply: (value: number) => number) {
  return (value: unknown): number | undefined => (typeof value === "number" ? apply(value) : undefined);
}

function onNumbers(apply: (a: number, b: number) => number, a: unknown, b: unknown): number | undefined {
  return typeof a === "number" && typeof b === "number" ? apply(a, b) : undefined;
}

/** Tables of popularity kept are this long together at most; then they are made anew. */
const MAX_RANKS = 1_000_000;
const tables = new Map<string, (rng: Rng) => number>();
let ranksKept = 0;

/** A rank below `count` by Zipf's law, from one draw. The tables are kept, as lists have few lengths. */
export function zipfRank(rng: Rng, count: number, exponent: number): number {
  const key = `${count}/${exponent}`;
  let draw = tables.get(key);
  if (draw === undefined) {
    if ((ranksKept += count) > MAX_RANKS) {
      tables.clear();
      ranksKept = count;
    }
    tables.set(key, (draw = zipf(count, exponent)));
  }
  return draw(rng);
}
