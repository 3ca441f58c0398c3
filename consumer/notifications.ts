import { v5 as uuidv5 } from "uuid";
import type { ShopEventRow } from "../contract/shop-event-row.ts";
import type { ShopEventType } from "../contract/shop-event.ts";
import { datetime, text } from "./literals.ts";
import type { LogStage } from "./stage-log.ts";

/** Ids of notifications are UUIDv5 in this namespace. */
const NAMESPACE = "1c7e9a54-3f0d-5b62-8a1e-0d4b7c2f9e35";

const CHANNELS = ["email", "push"] as const;
type Channel = (typeof CHANNELS)[number];

const TEMPLATE_OF: Readonly<Record<ShopEventType, string>> = {
  order_placed: "order-confirmation",
  order_paid: "payment-receipt",
  payment_declined: "payment-failed",
};

/**
 * The service `notifications`: what it tells customers of new rows of `shop_events`, one row for each event and channel. They are written in
 * the transaction of those rows and follow from them alone, so whatever is killed or delivered again, none is lost and none is doubled.
 */
export function notificationsOf(events: readonly ShopEventRow[]): string[] {
  const rows = events.flatMap((event) => CHANNELS.map((channel) => rowOf(event, channel)));
  return [
    `INSERT INTO notifications (created_at, notification_id, event_id, order_id, user_id, channel, template, recipient, status)
     VALUES ${rows.join(",\n")} ON DUPLICATE KEY UPDATE notification_id = notifications.notification_id`,
  ];
}

function rowOf({ event_id, timestampMs, order_id, user_id, type }: ShopEventRow, channel: Channel): string {
  const values = [
    ...[uuidv5(`${event_id}/${channel}`, NAMESPACE), event_id, order_id, user_id, channel, TEMPLATE_OF[type]],
    ...[user_id === null ? null : recipientOf(user_id, channel), user_id === null ? "no_recipient" : "sent"],
  ];
  return `(${datetime(timestampMs)},${values.map(text).join(",")})`;
}

/** The service's own application logs: a line for each event, with the ids of the request it came from. */
export function sayNotified(events: readonly ShopEventRow[], log: LogStage): void {
  for (const { timestampMs, order_id, user_id, type, request_id, trace_id, run_id } of events) {
    const isSent = user_id !== null;
    log(timestampMs, {
      ...{ service: "notifications", logger: "notifications.send", level: isSent ? "INFO" : "WARNING" },
      message: `${TEMPLATE_OF[type]} of order ${order_id} ${isSent ? "sent" : "has no recipient"}`,
      ...{ module: "consumer/notifications.ts", function: "notificationsOf" },
      ...{ request_id: request_id ?? undefined, trace_id: trace_id ?? undefined },
      ...{ user_id: user_id ?? undefined, run_id: run_id ?? undefined },
      context: { order_id, template: TEMPLATE_OF[type], channels: CHANNELS },
    });
  }
}

/** Nothing leaves this machine, so an address only has to be one for each user. */
const recipientOf = (userId: string, channel: Channel): string =>
  channel === "email" ? `user-${userId}@shop.example` : `user-${userId}`;
