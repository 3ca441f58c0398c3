import { APP_LOG, type AppLog } from "../../contract/app-log.ts";
import { placeOfStack } from "../../contract/place-of-stack.ts";
import { stream } from "../../contract/random.ts";
import type { Destination, Publishable, RecordKind } from "../../contract/record-kind.ts";
import type { RequestLog } from "../../contract/request-log.ts";
import {
  SHOP_EVENT,
  type ShopEvent,
  type ShopEventItem,
  type ShopEventType,
} from "../../contract/shop-event.ts";
import { FUNNY_EVENT, SERIOUS_EVENT, UI_EVENT, type UiEvent } from "../../contract/ui-event.ts";
import { ROUTES, type Failure, type Route } from "./routes.ts";

/** A record of another kind that a request brought about. */
export interface Beside {
  readonly to: Destination;
  readonly json: string;
}

/** A synthetic request of which there is more to tell. */
export interface Happening {
  readonly request: RequestLog;
  readonly order: number; // the one that was placed or paid, else 0
  readonly id: () => string; // a further UUIDv7 of its time
}

/** What brings about a record of another kind; a further kind that history should hold is one more. */
interface Origin {
  /** Asked for every request, so it looks at no text. */
  readonly isOf: (route: Route, failure: Failure | undefined) => boolean;
  readonly make: (happening: Happening) => Beside;
}

const beside = <R extends Publishable>(kind: RecordKind<R>, record: R): Beside => {
  return { to: kind.destinationOf(record), json: JSON.stringify(record) };
};

const ORIGINS: readonly Origin[] = [
  {
    isOf: (_route, failure) => failure?.stack !== undefined,
    make: ({ request, id }) => beside(APP_LOG, crashLog(request, id())),
  },
  {
    isOf: (route, failure) => route === ROUTES.inventory && failure === undefined,
    make: ({ request, id }) => beside(UI_EVENT, press(request, id(), FUNNY_EVENT, "/")),
  },
  {
    isOf: (route, failure) => route === ROUTES.placeOrder && failure === undefined,
    make: ({ request, id }) => beside(UI_EVENT, press(request, id(), SERIOUS_EVENT, "/basket")),
  },
  {
    isOf: (route, failure) => route === ROUTES.placeOrder && failure === undefined,
    make: (happening) => beside(SHOP_EVENT, orderEvent(happening, "order_placed")),
  },
  {
    isOf: (route, failure) => route === ROUTES.payOrder && failure === undefined,
    make: (happening) => beside(SHOP_EVENT, orderEvent(happening, "order_paid")),
  },
  {
    isOf: (route, failure) => route === ROUTES.payOrder && failure?.status_code === 402,
    make: (happening) => beside(SHOP_EVENT, orderEvent(happening, "payment_declined")),
  },
];

const NONE: readonly Beside[] = [];

/** @param happening made only where there is something to tell, as it reads the request's text again */
export function besidesOf(
  route: Route,
  failure: Failure | undefined,
  happening: () => Happening,
): readonly Beside[] {
  let told: Happening | undefined;
  let besides: Beside[] | undefined;
  for (const { isOf, make } of ORIGINS)
    if (isOf(route, failure)) (besides ??= []).push(make((told ??= happening())));
  return besides ?? NONE;
}

const answeredAt = ({ timestamp, response_time_ms }: RequestLog): string =>
  new Date(Math.trunc(Date.parse(timestamp) + response_time_ms)).toISOString();

/** What the service that crashed logged of it, with the ids of the request, once it was answered. */
function crashLog(request: RequestLog, log_id: string): AppLog {
  const { service, instance, method, endpoint, status_code, error_type, error_message, stack } = request;
  const { request_id, trace_id, user_id } = request;
  return {
    ...{ v: 1, log_id, timestamp: answeredAt(request), level: "CRITICAL" },
    ...{ service, logger: `${service}.routes`, host: instance, ...placeOfStack(stack) },
    message: `${method} ${endpoint} failed: ${error_message ?? ""}`,
    exception: { type: error_type ?? "Error", message: error_message, stack },
    context: { method, endpoint, status_code },
    ...{ request_id, trace_id, user_id },
  };
}

/** The button that was pressed for this request; its time is the one in its id. */
const press = (
  { timestamp, user_id }: RequestLog,
  event_id: string,
  name: string,
  page: string,
): UiEvent => ({
  ...{ v: 1, event_id, timestamp, name, page, user_id },
});

function orderEvent({ request, order, id }: Happening, type: ShopEventType): ShopEvent {
  const { request_id, trace_id, user_id } = request;
  const items = itemsOf(order);
  return {
    ...{
      v: 1,
      event_id: id(),
      timestamp: answeredAt(request),
      type,
      order_id: String(order),
      user_id,
      items,
    },
    total_cents: items.reduce((sum, { quantity, price_cents }) => sum + quantity * price_cents, 0),
    ...{ request_id, trace_id },
  };
}

/** What is in an order follows from its number, so that its payment tells the same. */
function itemsOf(order: number): ShopEventItem[] {
  const rng = stream(order, "items");
  return Array.from({ length: 1 + rng.integer(3) }, () => ({
    product_id: 1 + rng.integer(200),
    quantity: 1 + rng.integer(2),
    price_cents: 490 + 10 * rng.integer(900),
  }));
}
