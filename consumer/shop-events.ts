import { SHOP_EVENT } from "../contract/shop-event.ts";
import { shopEventRow, type ShopEventRow } from "../contract/shop-event-row.ts";
import type { Kind } from "./kind.ts";
import { notificationsOf, sayNotified } from "./notifications.ts";
import type { LogStage } from "./stage-log.ts";
import { recordTable } from "./record-table.ts";

/** shop-events -> `shop_events` and, by the service `notifications`, `notifications` */
export const shopEvents = (log: LogStage): Kind<ShopEventRow> => ({
  name: SHOP_EVENT.name,
  topics: SHOP_EVENT.topics,
  decode: shopEventRow,
  origin: ({ type }) => ({ source: "orders", status: type }),
  table: recordTable({
    table: "shop_events",
    id: { column: "event_id", of: (row) => row.event_id },
    columns: [
      ["type", (row) => row.type],
      ["order_id", (row) => row.order_id],
      ["user_id", (row) => row.user_id],
      ["total_cents", (row) => row.total_cents],
      ["items", (row) => row.items],
      ["request_id", (row) => row.request_id],
      ["trace_id", (row) => row.trace_id],
      ["extra", (row) => row.extra],
    ],
    levelOf: () => "ERROR",
    derived: (rows) => ({
      statements: notificationsOf(rows),
      onCommit: () => sayNotified(rows, log),
    }),
  }),
});
