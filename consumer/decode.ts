import { messageOf } from "../contract/errors.ts";
import type { Fields, ReceivedRecord, Rejection } from "../contract/record.ts";
import type { Kind } from "./kind.ts";

/** A record that became a row or never will; nothing in between. */
export type Entry<Row> = { readonly record: ReceivedRecord } & (
  { readonly row: Row; readonly rejection?: never } | { readonly row?: never; readonly rejection: Rejection }
);

/** Reads each record as `kind` does; what cannot be read is set aside with its reason and stops nothing. */
export function decodeAll<Row>(
  records: readonly ReceivedRecord[],
  kind: Kind<Row>,
  nowMs: number = Date.now(),
): Entry<Row>[] {
  return records.map((record) => ({ record, ...decode(record, kind, nowMs) }));
}

function decode<Row>(
  record: ReceivedRecord,
  kind: Kind<Row>,
  nowMs: number,
): { row: Row } | { rejection: Rejection } {
  let value: unknown;
  try {
    value = JSON.parse(record.value?.toString("utf8") ?? "");
  } catch (error) {
    return { rejection: { reason: "not_json", detail: (error as SyntaxError).message.slice(0, 1024) } };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { rejection: { reason: "not_an_object", detail: "the value must be one JSON object" } };
  }
  try {
    return kind.decode(value as Fields, record, nowMs);
  } catch (error) {
    // Such as a value nested too deeply to be written as JSON again. Thrown on, it would stop the partition for ever.
    return {
      rejection: { reason: "invalid_field", detail: `cannot be read: ${messageOf(error)}`.slice(0, 1024) },
    };
  }
}
