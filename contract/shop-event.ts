import type { Destination, RecordKind } from "./record-kind.ts";

export const SHOP_EVENT_TYPES = ["order_placed", "order_paid", "payment_declined"] as const;
export type ShopEventType = (typeof SHOP_EVENT_TYPES)[number];

/** What happened to an order, for services that follow it: a UTF-8 JSON object on `shop-events`. */
export interface ShopEvent {
  readonly v: 1;
  readonly event_id: string; // UUIDv5 of the shop's process, order, type and attempt: written again it is the same
  readonly timestamp: string; // ISO 8601 with ms and Z
  readonly type: ShopEventType;
  readonly order_id: string; // counts from 1 in each process of the shop; with `source` it is one order
  readonly user_id?: string | undefined; // who ordered
  readonly total_cents: number;
  readonly items: readonly ShopEventItem[];
  readonly request_id?: string | undefined; // of the request that brought it about
  readonly trace_id?: string | undefined;
  readonly run_id?: string | undefined;
}

export interface ShopEventItem {
  readonly product_id: number;
  readonly quantity: number;
  readonly price_cents: number;
}

/** Shed last, like errors: an order stands only with its event. */
const TO: Destination = { topic: "shop-events", level: "ERROR" };

export const SHOP_EVENT: RecordKind<ShopEvent> = {
  name: "shop_event",
  topics: [TO.topic],
  destinationOf: () => TO,
};
