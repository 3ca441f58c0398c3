/** A record as it came from Kafka, before anything is believed about it. */
export interface ReceivedRecord {
  readonly cluster: string; // Kafka's cluster id
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly timeMs: number; // Kafka's timestamp, Unix ms; of a replayed record the first one's
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly origin?: string | undefined; // of a replayed record: where it stood first, see originOf
}

/** Headers of a record that was sent again: where it stood first, and Kafka's time of it there. */
export const ORIGIN_HEADER = "x-origin";
export const ORIGIN_TIME_HEADER = "x-origin-time";

/** Longest origin: a column of SQL holds it. */
export const MAX_ORIGIN = 352;

/** Where a record stands, as `cluster/topic/partition/offset`: what a record without an id is known by. */
export function originOf(
  record: Pick<ReceivedRecord, "origin" | "cluster" | "topic" | "partition" | "offset">,
): string {
  const { origin, cluster, topic, partition, offset } = record;
  return origin ?? `${cluster}/${topic}/${partition}/${offset}`;
}

/** What headers say of the first origin, as far as it is one. */
export function originIn(
  headers: Readonly<Record<string, Buffer | string | (Buffer | string)[] | undefined>> | undefined,
): Pick<ReceivedRecord, "origin" | "timeMs"> | undefined {
  if (headers?.[ORIGIN_HEADER] === undefined) return undefined;
  const origin = String(headers[ORIGIN_HEADER]);
  const timeMs = String(headers[ORIGIN_TIME_HEADER]);
  const isOrigin =
    origin.length <= MAX_ORIGIN && /^[\w.-]+\/[\w.-]+\/\d+\/\d+$/.test(origin) && /^\d{1,15}$/.test(timeMs);
  return isOrigin ? { origin, timeMs: Number(timeMs) } : undefined;
}

/** Fields of a record whose value was a JSON object. */
export type Fields = Readonly<Record<string, unknown>>;

export const REJECT_REASONS = [
  "not_json",
  "not_an_object",
  "invalid_field",
  "in_the_future", // more than an hour ahead of now
  "refused_by_sql",
] as const;

/** Why a record can never become a row. The ids are kept where they could be read, so that the ledger finds it. */
export interface Rejection {
  readonly reason: (typeof REJECT_REASONS)[number];
  readonly detail: string; // the field, its value and the rule
  readonly request_id?: string | undefined;
  readonly run_id?: string | undefined;
}
