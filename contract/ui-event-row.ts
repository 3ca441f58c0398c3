import {
  broken,
  happenedMs,
  identity,
  idText,
  numbering,
  text,
  unknownFields,
  wellFormed,
} from "./fields.ts";
import type { Fields, ReceivedRecord, Rejection } from "./record.ts";
import { EVENT_NAME, EVENT_NAME_RULE, MAX_PROPERTIES_CHARACTERS, propertiesProblem } from "./ui-event.ts";

/** One row of `ui_events`: every value checked and cut to its column. */
export interface UiEventRow {
  readonly event_id: string; // 1-36 printable ASCII characters
  readonly timestampMs: number; // Unix ms
  readonly name: string;
  readonly page: string | null;
  readonly session_id: string | null;
  readonly user_id: string | null;
  readonly request_id: string | null;
  readonly properties: string | null; // JSON object
  readonly run_id: string | null;
  readonly source: string | null;
  readonly seq: number | null;
  readonly extra: string | null; // JSON object of the fields we do not know
}

/** Widths of text columns in characters; longer values are cut. */
export const UI_EVENT_LENGTH = { page: 255, session_id: 64, user_id: 64, run_id: 64 } as const;

const KNOWN = new Set([
  ...["v", "event_id", "timestamp", "name", "page", "session_id", "user_id", "run_id", "request_id"],
  ...["properties", "source", "seq"],
]);

/** Turns a record of the topic `ui-events` into a row. @param nowMs Unix ms; more than an hour ahead of it is rejected */
export function uiEventRow(
  fields: Fields,
  record: ReceivedRecord,
  nowMs: number,
): { row: UiEventRow } | { rejection: Rejection } {
  const { name } = fields;
  if (typeof name !== "string" || !EVENT_NAME.test(name)) {
    const detail = broken("name", name, EVENT_NAME_RULE);
    return { rejection: { reason: "invalid_field", detail } };
  }
  const timestampMs = happenedMs(fields["timestamp"], record, nowMs);
  if (typeof timestampMs !== "number") return { rejection: timestampMs };
  const cut = (field: keyof typeof UI_EVENT_LENGTH) => text(fields[field], UI_EVENT_LENGTH[field]);
  return {
    row: {
      event_id: identity(fields["event_id"], record),
      ...{ timestampMs, name },
      page: cut("page"),
      session_id: cut("session_id"),
      user_id: cut("user_id"),
      request_id: idText(fields["request_id"]),
      properties: propertiesOf(fields["properties"]),
      run_id: cut("run_id"),
      ...numbering(fields),
      extra: unknownFields(fields, KNOWN),
    },
  };
}

/** What is too long or too deep is kept as the text it begins with, under the name `cut`. */
function propertiesOf(value: unknown): string | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const json = JSON.stringify(value);
  if (json === "{}") return null;
  const isKept = propertiesProblem(value) === undefined;
  return wellFormed(isKept ? json : JSON.stringify({ cut: json.slice(0, MAX_PROPERTIES_CHARACTERS) }));
}
