import {
  broken,
  happenedMs,
  identity,
  idText,
  numbering,
  text,
  unknownFields,
  wellFormed,
  wholeNumber,
} from "./fields.ts";
import type { Fields, ReceivedRecord, Rejection } from "./record.ts";
import { SHOP_EVENT_TYPES, type ShopEventType } from "./shop-event.ts";

/** One row of `shop_events`: every value checked and cut to its column. */
export interface ShopEventRow {
  readonly event_id: string; // 1-36 printable ASCII characters
  readonly timestampMs: number; // Unix ms
  readonly type: ShopEventType;
  readonly order_id: string;
  readonly user_id: string | null;
  readonly total_cents: number;
  readonly items: string | null; // JSON array
  readonly request_id: string | null;
  readonly trace_id: string | null;
  readonly run_id: string | null;
  readonly source: string | null;
  readonly seq: number | null;
  readonly extra: string | null; // JSON object of the fields we do not know
}

/** Widths of text columns in characters; longer values are cut. */
export const SHOP_EVENT_LENGTH = { order_id: 36, user_id: 64, trace_id: 32, run_id: 64 } as const;

const ITEMS_CHARACTERS = 16_384; // fifty items have 4,000

const KNOWN = new Set([
  ...["v", "event_id", "timestamp", "type", "order_id", "user_id", "total_cents", "items"],
  ...["request_id", "trace_id", "run_id", "source", "seq"],
]);

/** Turns a record of the topic `shop-events` into a row. @param nowMs Unix ms; more than an hour ahead of it is rejected */
export function shopEventRow(
  fields: Fields,
  record: ReceivedRecord,
  nowMs: number,
): { row: ShopEventRow } | { rejection: Rejection } {
  const reject = (field: string, rule: string) => ({
    rejection: { reason: "invalid_field" as const, detail: broken(field, fields[field], rule) },
  });
  const cut = (field: keyof typeof SHOP_EVENT_LENGTH) => text(fields[field], SHOP_EVENT_LENGTH[field]);
  const type = SHOP_EVENT_TYPES.find((known) => known === fields["type"]);
  if (type === undefined) return reject("type", `one of ${SHOP_EVENT_TYPES.join(", ")}`);
  const order_id = cut("order_id");
  if (order_id === null) return reject("order_id", "the id of an order");
  const total_cents = wholeNumber(fields["total_cents"]);
  if (total_cents === null) return reject("total_cents", "a whole number of cents");
  const timestampMs = happenedMs(fields["timestamp"], record, nowMs);
  if (typeof timestampMs !== "number") return { rejection: timestampMs };
  return {
    row: {
      event_id: identity(fields["event_id"], record),
      ...{ timestampMs, type, order_id, total_cents },
      user_id: cut("user_id"),
      items: itemsOf(fields["items"]),
      request_id: idText(fields["request_id"]),
      trace_id: cut("trace_id"),
      run_id: cut("run_id"),
      ...numbering(fields),
      extra: unknownFields(fields, KNOWN),
    },
  };
}

/** Objects of numbers; whatever else was sent as a list says nothing. */
function itemsOf(value: unknown): string | null {
  if (!Array.isArray(value) || !value.every(isFlat)) return null;
  const json = JSON.stringify(value);
  return json.length > ITEMS_CHARACTERS ? null : wellFormed(json);
}

const isFlat = (item: unknown): boolean =>
  typeof item === "object" && item !== null && Object.values(item).every((one) => typeof one !== "object");
