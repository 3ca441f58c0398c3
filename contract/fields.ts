import { v5 as uuidv5 } from "uuid";
import { originOf, type Fields, type ReceivedRecord, type Rejection } from "./record.ts";

/**
 * Values of fields that others wrote, as columns take them: what does not fit is cut or null, and nothing throws. What identifies or
 * classifies a record is checked by its kind, which rejects it with {@link broken}.
 */

/** Ids of records that bring none, or none that fits, are UUIDv5 in this namespace. */
const NAMESPACE = "6d1f2c0a-6f0e-5c55-9e6b-6b1f0b7a3c11";

const HOUR_MS = 3_600_000;
const LAST_MS = Date.UTC(9999, 11, 31, 23, 59, 59);

export const broken = (field: string, value: unknown, rule: string): string =>
  `${field}=${value === undefined ? "(missing)" : JSON.stringify(value).slice(0, 200)} must be ${rule}`;

/** An id of up to 36 printable ASCII characters; what does not fit the column, or nothing, becomes a UUIDv5 that redelivery and replays repeat. */
export function identity(given: unknown, record: ReceivedRecord): string {
  const id = idText(given);
  if (id !== null) return id;
  if ((typeof given === "string" && given !== "") || typeof given === "number")
    return uuidv5(String(given).toWellFormed(), NAMESPACE); // uuid throws at half of a surrogate pair
  return uuidv5(originOf(record), NAMESPACE);
}

/**
 * When it happened, Unix ms: what the record says, else Kafka's time of it.
 * @param nowMs Unix ms; more than an hour ahead of it is a rejection
 */
export function happenedMs(
  given: unknown,
  record: ReceivedRecord,
  nowMs: number,
): number | Pick<Rejection, "reason" | "detail"> {
  const ms = instant(given) ?? Math.max(0, record.timeMs); // Kafka says -1 for none
  if (ms <= nowMs + HOUR_MS) return ms;
  return { reason: "in_the_future", detail: broken("timestamp", given, "at most 1 h ahead of now") };
}

/** An id of up to 36 printable ASCII characters, of a record that another one names; null for what is none. */
export const idText = (value: unknown): string | null =>
  typeof value === "string" && /^[\x21-\x7e]{1,36}$/.test(value) ? value : null;

export const upper = (value: unknown): unknown => (typeof value === "string" ? value.toUpperCase() : value);

const WALL_CLOCK = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?$/;
const WITH_ZONE = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)$/i;

/** Unix ms of an ISO 8601 text, of `YYYY-MM-DD HH:MM:SS` (taken as UTC) or of a number of ms; null when none of these. */
function instant(value: unknown): number | null {
  let ms = NaN;
  if (typeof value === "string") {
    if (WITH_ZONE.test(value)) ms = Date.parse(value.replace(" ", "T").replace(",", "."));
    else if (WALL_CLOCK.test(value)) ms = Date.parse(`${value.replace(" ", "T").replace(",", ".")}Z`);
  } else if (typeof value === "number") {
    ms = Math.trunc(value);
  }
  return ms >= 0 && ms <= LAST_MS ? ms : null;
}

/** Cut to `length` characters; null for what is no text, number or truth value, and for an empty text. */
export function text(value: unknown, length: number): string | null {
  if (typeof value === "number" || typeof value === "boolean") return text(String(value), length);
  if (typeof value !== "string" || value === "") return null;
  return value.length > length ? value.slice(0, length) : value;
}

/** SQL compares keys as if spaces at their end were not there. */
export const trimmed = (value: unknown): unknown => (typeof value === "string" ? value.trimEnd() : value);

/** Numbers, also written as text, as CSV-minded producers do. */
export function number(value: unknown): number | null {
  const parsed = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof parsed === "number" && Number.isFinite(parsed) ? parsed : null;
}

export function wholeNumber(value: unknown): number | null {
  const parsed = number(value);
  return parsed !== null && Number.isSafeInteger(parsed) && parsed >= 0 ? parsed : null;
}

/** The JSON text of the fields that `known` does not name; null without one. */
export function unknownFields(fields: Fields, known: ReadonlySet<string>): string | null {
  let extra: Record<string, unknown> | undefined;
  for (const key in fields) {
    if (!known.has(key)) (extra ??= Object.create(null) as Record<string, unknown>)[key] = fields[key];
  }
  return extra === undefined ? null : wellFormed(JSON.stringify(extra));
}

/** JSON.stringify escapes half of a surrogate pair, which MySQL's JSON refuses; as in every column it becomes U+FFFD. */
export function wellFormed(json: string): string {
  return json.replace(/\\(?:\\|ud[89a-f][\da-f]{2})/g, (escape) => (escape === "\\\\" ? escape : "\ufffd"));
}

/** Where a record came from: its publisher and number, for what is numbered. */
export function numbering(fields: Fields): { readonly source: string | null; readonly seq: number | null } {
  return { source: text(fields["source"], 36), seq: wholeNumber(fields["seq"]) };
}
