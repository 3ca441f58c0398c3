/** A record as it came from Kafka, before anything is believed about it. */
export interface ReceivedRecord {
  readonly cluster: string; // Kafka's cluster id
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly timeMs: number; // Kafka's timestamp, Unix ms
  readonly key: Buffer | null;
  readonly value: Buffer | null;
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
