import type { AppLog } from "../../contract/app-log.ts";
import { appLogRow } from "../../contract/app-log-row.ts";
import { messageOf } from "../../contract/errors.ts";
import type { Fields, ReceivedRecord, Rejection } from "../../contract/record.ts";
import { requestIdAt } from "../../contract/request-id.ts";
import type { RequestLog } from "../../contract/request-log.ts";
import { requestLogRow } from "../../contract/request-log-row.ts";

/** The most bytes a record may have as JSON: as many as a body of the shop. Kafka would refuse a batch with one of a mebibyte each time. */
export const MAX_RECORD_BYTES = 65_536;
/** MariaDB reads no JSON that is nested more than 32 deep, and the field itself is one. */
export const MAX_NESTING = 24;

/** A record that will be a row, or why it would be none. */
export type Checked<R> = { readonly record: R } | { readonly reason: string };

/** What somebody sent as a request log, as the consumer will read it: an id and a time it did not bring are made here. */
export function checkRequestLog(fields: Fields, nowMs: number): Checked<RequestLog> {
  return checked(fields, nowMs, requestLogRow, ({ timestampMs, extra, ...row }) => {
    const hasId = isId(fields["request_id"] ?? fields["log_id"]);
    return {
      ...furtherFields(extra),
      ...present(row),
      ...{ v: 1, timestamp: new Date(timestampMs).toISOString() },
      request_id: hasId ? row.request_id : requestIdAt(timestampMs),
    } as RequestLog;
  });
}

/** The same for an application log. */
export function checkAppLog(fields: Fields, nowMs: number): Checked<AppLog> {
  return checked(fields, nowMs, appLogRow, ({ timestampMs, extra, context, ...row }) => {
    const { error_type, error_message, stack, ...rest } = row;
    const hasException = (error_type ?? error_message ?? stack) !== null;
    return {
      ...furtherFields(extra),
      ...present({ ...rest, fingerprint: null }), // the consumer works it out
      ...{ v: 1, timestamp: new Date(timestampMs).toISOString() },
      ...(hasException && {
        exception: { type: error_type ?? "", ...present({ message: error_message, stack }) },
      }),
      ...(context !== null && { context: JSON.parse(context) as object }),
      log_id: isId(fields["log_id"]) ? row.log_id : requestIdAt(timestampMs),
    } as AppLog;
  });
}

type Decoded<Row> = { readonly row: Row } | { readonly rejection: Rejection };
type Decode<Row> = (fields: Fields, record: ReceivedRecord, nowMs: number) => Decoded<Row>;

function checked<Row extends object, R>(
  given: Fields,
  nowMs: number,
  decode: Decode<Row>,
  recordOf: (row: Row) => R,
): Checked<R> {
  try {
    const fields = { ...given, ...NOT_THEIRS };
    const decoded = decode(fields, { ...UNSENT, timeMs: nowMs }, nowMs);
    if ("rejection" in decoded) return { reason: decoded.rejection.detail };
    const record = recordOf(decoded.row);
    const bytes = Buffer.byteLength(JSON.stringify(record));
    if (bytes > MAX_RECORD_BYTES)
      return { reason: `the record has ${bytes} bytes, and may have ${MAX_RECORD_BYTES}` };
    if (isDeeper(record, MAX_NESTING)) return { reason: `a value is nested more than ${MAX_NESTING} deep` };
    return { record };
  } catch (error) {
    return { reason: `cannot be read: ${messageOf(error)}`.slice(0, 1_024) }; // as by the consumer: nested too deeply
  }
}

/** What says the kind, and what is the publisher's own. */
const NOT_THEIRS = { kind: undefined, source: undefined, seq: undefined } as const;

/** It stands nowhere yet; nothing of this reaches the record. */
const UNSENT = { cluster: "", topic: "", partition: 0, offset: 0n, key: null, value: null } as const;

/** What counts as an id: the consumer makes one for what does not fit, from what was given. */
const isId = (given: unknown) => (typeof given === "string" && given !== "") || typeof given === "number";

const present = (row: object) =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));

const furtherFields = (extra: string | null) => (extra === null ? {} : (JSON.parse(extra) as object));

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}
