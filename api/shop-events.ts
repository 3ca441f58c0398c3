import { randomUUID } from "node:crypto";
import type { Context } from "hono";
import { v5 as uuidv5 } from "uuid";
import { SHOP_EVENT, type ShopEventType } from "../contract/shop-event.ts";
import type { Publisher } from "../producer/publisher.ts";
import { originOf, shownUser, type UserIds } from "./origin.ts";
import type { Order } from "./shop.ts";

/** Says what happened to an order. @returns whether the event was taken over; if not, it must not have happened */
export type Announce = (c: Context, type: ShopEventType, order: Order) => Promise<boolean>;

/** The events of one life of the shop: its orders count from 1 again after a restart, and ids of events must not. */
export function shopEvents(publishOf: Publisher["publishOf"], userIds: UserIds): Announce {
  const publish = publishOf(SHOP_EVENT);
  const life = randomUUID();
  const declined = new WeakMap<Order, number>(); // payments so far: each is an event of its own
  return async function announce(c, type, order) {
    const attempt = (declined.get(order) ?? 0) + (type === "payment_declined" ? 1 : 0);
    if (type === "payment_declined") declined.set(order, attempt);
    const { order_id, user_id, items, total_cents, created_at } = order;
    return publish({
      v: 1,
      event_id: uuidv5(`${order_id}/${type}/${attempt}`, life),
      timestamp: type === "order_placed" ? created_at : new Date().toISOString(),
      ...{ type, order_id: String(order_id), total_cents, items },
      user_id: shownUser(String(user_id), userIds),
      ...originOf(c),
    });
  };
}
