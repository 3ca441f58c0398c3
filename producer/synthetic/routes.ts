import type { Level } from "../../contract/request-log.ts";

/** One way a route fails. `:id` in the message is the id in the path, `:n` a number of the moment. */
export interface Failure {
  readonly share: number; // of the route's requests
  readonly status_code: number;
  readonly error_type: string;
  readonly error_message: string;
  readonly speed: Speed;
  /** Only an uncaught exception has one: lines behind the message. */
  readonly stack?: readonly string[];
}

/** How long a failure takes: a refusal is quicker than success, a timeout is as long as somebody's patience. */
export type Speed = "quick" | "usual" | "timeout";

export interface Route {
  readonly name: string; // method and template, as `route` of an incident
  readonly method: string;
  readonly endpoint: string;
  readonly service: string;
  readonly status_code: number; // of success
  readonly level: Level; // of success
  readonly idOf?: "user" | "product" | "order"; // what stands for ":id" in the path
  readonly isGate: boolean; // who fails here does not come further
  readonly medianMs: number;
  readonly sigma: number; // standard deviation of the latency on the log scale
  readonly slow: number; // share of requests that take about ten times as long
  readonly bytes_in: number; // mean
  readonly bytes_out: number; // median
  readonly failures: readonly Failure[];
}

const refused = (share: number, status_code: number, error_type: string, error_message: string): Failure => {
  return { share, status_code, error_type, error_message, speed: "quick" };
};
const unknown = (share: number, what: string) =>
  refused(share, 404, `${what}Unknown`, `no ${what.toLowerCase()} has the id :id`);
const rateLimited = (share: number) =>
  refused(share, 429, "RateLimited", "too many requests; try again in a second");
const unavailable = (share: number, upstream: string): Failure => ({
  ...{ share, status_code: 503, error_type: "Unavailable", speed: "timeout" },
  error_message: `${upstream} did not answer within 2000 ms (attempt :n)`,
});
const crash = (
  share: number,
  error_type: string,
  error_message: string,
  ...stack: readonly string[]
): Failure => ({ share, status_code: 500, error_type, error_message, stack, speed: "usual" });

type Row = readonly [
  route: string,
  service: string,
  medianMs: number,
  sigma: number,
  slow: number,
  bytes_in: number,
  bytes_out: number,
];

function route([name, service, medianMs, sigma, slow, bytes_in, bytes_out]: Row, failures: Failure[]): Route {
  const [method = "", endpoint = ""] = name.split(" ");
  return {
    ...{ name, method, endpoint, service, medianMs, sigma, slow, bytes_in, bytes_out, failures },
    status_code: name === "POST /orders" ? 201 : method === "DELETE" ? 204 : 200,
    level: endpoint === "/health" ? "DEBUG" : "INFO",
    isGate: method === "POST",
  };
}

/** The routes of the mock shop, with the latency and the failures of one in production. */
export const ROUTES = {
  listUsers: route(
    ["GET /users", "users", 9, 0.35, 0.01, 0, 2_900],
    [
      unavailable(0.004, "users replica"),
      crash(
        0.001,
        "QueryTimeout",
        "users: no answer from the replica within 2000 ms",
        "query (/srv/shop/users/store.js:41:13)",
        "listUsers (/srv/shop/users/routes.js:19:22)",
      ),
    ],
  ),
  getUser: {
    ...route(
      ["GET /users/:id", "users", 4, 0.3, 0.005, 0, 310],
      [
        unknown(0.008, "User"),
        crash(
          0.002,
          "CacheError",
          "users: cached profile of user :id has an unknown version",
          "decode (/srv/shop/cache.js:77:11)",
          "getUser (/srv/shop/users/routes.js:34:9)",
        ),
      ],
    ),
    idOf: "user",
  },
  listProducts: route(
    ["GET /products", "products", 14, 0.4, 0.015, 0, 3_600],
    [
      refused(0.002, 400, "InvalidRequest", "limit must be a whole number from 1 to 100"),
      unavailable(0.003, "search index"),
      rateLimited(0.003),
      crash(
        0.001,
        "QueryTimeout",
        "products: search index did not answer within 2000 ms",
        "search (/srv/shop/products/search.js:63:15)",
        "listProducts (/srv/shop/products/routes.js:28:20)",
      ),
    ],
  ),
  getProduct: {
    ...route(
      ["GET /products/:id", "products", 6, 0.35, 0.01, 0, 420],
      [
        unknown(0.004, "Product"),
        rateLimited(0.001),
        crash(
          0.001,
          "TypeError",
          "cannot read the price of product :id without a price list",
          "priceOf (/srv/shop/products/prices.js:12:31)",
          "getProduct (/srv/shop/products/routes.js:44:16)",
        ),
      ],
    ),
    idOf: "product",
  },
  listOrders: route(
    ["GET /orders", "orders", 18, 0.45, 0.015, 0, 5_200],
    [
      unavailable(0.006, "orders replica"),
      crash(
        0.002,
        "QueryTimeout",
        "orders: no answer from the replica within 2000 ms",
        "query (/srv/shop/orders/store.js:52:13)",
        "listOrders (/srv/shop/orders/routes.js:25:21)",
      ),
    ],
  ),
  placeOrder: route(
    ["POST /orders", "orders", 32, 0.45, 0.02, 92, 410],
    [
      refused(0.012, 400, "InvalidRequest", "items must be a list of 1 to 50 items"),
      refused(0.03, 409, "OutOfStock", "3 of product :n wanted, 1 in stock"),
      unavailable(0.01, "stock reservation"),
      crash(
        0.004,
        "DeadlockError",
        "orders: transaction :n was chosen as the victim",
        "commit (/srv/shop/orders/store.js:118:9)",
        "placeOrder (/srv/shop/orders/routes.js:61:18)",
      ),
    ],
  ),
  getOrder: {
    ...route(
      ["GET /orders/:id", "orders", 8, 0.35, 0.01, 0, 520],
      [
        unknown(0.006, "Order"),
        crash(
          0.001,
          "CacheError",
          "orders: cached order :id has an unknown version",
          "decode (/srv/shop/cache.js:77:11)",
          "getOrder (/srv/shop/orders/routes.js:80:9)",
        ),
      ],
    ),
    idOf: "order",
  },
  payOrder: {
    ...route(
      ["POST /orders/:id/payment", "payments", 85, 0.5, 0.03, 17, 390],
      [
        refused(0.04, 402, "PaymentDeclined", "the payment of order :id by card was declined"),
        unavailable(0.012, "bank"),
        crash(
          0.006,
          "PaymentGatewayError",
          "connection :n was reset while waiting for the bank",
          "request (/srv/shop/payments/gateway.js:94:17)",
          "payOrder (/srv/shop/payments/routes.js:37:24)",
        ),
      ],
    ),
    idOf: "order",
  },
  inventory: route(
    ["GET /inventory", "inventory", 11, 0.4, 0.01, 0, 6_100],
    [
      unavailable(0.004, "warehouse"),
      crash(
        0.001,
        "WarehouseError",
        "inventory: stock feed sent a truncated page :n",
        "parse (/srv/shop/inventory/feed.js:29:11)",
        "inventory (/srv/shop/inventory/routes.js:14:20)",
      ),
    ],
  ),
  login: route(
    ["POST /login", "auth", 45, 0.3, 0.01, 58, 610],
    [
      refused(0.06, 401, "BadCredentials", "username or password is wrong"),
      rateLimited(0.006),
      crash(
        0.001,
        "KeyStoreError",
        "auth: signing key :n is being rotated",
        "sign (/srv/shop/auth/tokens.js:21:13)",
        "login (/srv/shop/auth/routes.js:48:17)",
      ),
    ],
  ),
  session: route(
    ["GET /session", "auth", 3, 0.3, 0.005, 0, 290],
    [
      unavailable(0.002, "session store"),
      crash(
        0.001,
        "SessionError",
        "auth: session store answered for session :n",
        "read (/srv/shop/auth/sessions.js:33:11)",
        "getSession (/srv/shop/auth/routes.js:62:20)",
      ),
    ],
  ),
  refreshSession: route(
    ["POST /session/refresh", "auth", 12, 0.3, 0.01, 260, 610],
    [
      refused(
        0.01,
        401,
        "SessionInvalid",
        "the refresh token expired, was used, or its session has ended: sign in again",
      ),
      rateLimited(0.004),
      unavailable(0.002, "session store"),
    ],
  ),
  signOut: route(["DELETE /session", "auth", 6, 0.3, 0.005, 0, 160], [unavailable(0.003, "session store")]),
  health: route(["GET /health", "api", 0.6, 0.25, 0, 0, 240], []),
} as const satisfies Readonly<Record<string, Route>>;

/** What nobody serves: the path is the scanner's. */
export const UNMATCHED_ROUTE: Route = {
  ...route(["GET (unmatched)", "api", 0.9, 0.3, 0, 0, 300], []),
  failures: [refused(1, 404, "RouteUnknown", "no route has the path that was asked for")],
};

/** Routes that incidents strike: those of the shop itself. */
export const SHOP_ROUTES: readonly Route[] = Object.values<Route>(ROUTES).filter(
  ({ level }) => level === "INFO",
);
