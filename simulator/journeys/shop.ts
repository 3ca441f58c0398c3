import { z } from "zod";
import { get, post } from "./journey.ts";
import type { Answer, Journey, SessionContext, Step, Steps } from "./journey.ts";
import { zipf } from "../../contract/random.ts";

type Headers = Readonly<Record<string, string>>;

/** Every account of the mock shop has it; public by design, it guards nothing. */
const DEMO_PASSWORD = "open-sesame";

const BROWSERS = [
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
  "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
];
const BOT: Headers = { "user-agent": "pricebot/2.1 (+https://pricebot.example)" };
const SCANNER: Headers = { "user-agent": "Mozilla/5.0 (compatible; probe/0.9)" };
const ADMIN: Headers = { "user-agent": "shop-backoffice/3.4" };
const DEBUGGING: Headers = { "x-log-level": "debug" };

/** The page of a list that the shop's front page shows. */
const PAGE = 20;
const ACCOUNTS = 50;
const popularity = zipf(PAGE);
const activity = zipf(ACCOUNTS);

const Users = z.object({ users: z.array(z.object({ id: z.int(), username: z.string() })) });
const Products = z.object({ products: z.array(z.object({ id: z.int() })), total: z.int() });
const Orders = z.object({ orders: z.array(z.object({ order_id: z.int(), user_id: z.int() })) });
const Placed = z.object({ order_id: z.int() });
const SignedIn = z.object({ token: z.string(), refresh_token: z.string(), user_id: z.int() });

/** What planning takes for the shop's answers: lists as long as real ones, so that the same draws are made. */
const numbers = (count: number) => Array.from({ length: count }, (_, n) => n + 1);
const PLANNED = {
  users: { users: numbers(ACCOUNTS).map((id) => ({ id, username: `{user ${id}}` })) },
  products: { products: numbers(PAGE).map((id) => ({ id })), total: 5 * PAGE },
  orders: { orders: numbers(PAGE).map((order_id) => ({ order_id, user_id: order_id })) },
  placed: { order_id: 1 },
  signedIn: { token: "{token}", refresh_token: "{refresh_token}", user_id: 1 },
};

/**
 * The visitors of the mock shop. Ids come from what the shop answered, popular products and busy customers by Zipf's
 * law; only bot and scanner ask for what is not there. Together they fill all three request-log topics:
 *
 * | journey    | share | what it does                                                            | logged as    |
 * | ---------- | ----- | ----------------------------------------------------------------------- | ------------ |
 * | browse     | 43 %  | looks through the list and at some products                             | INFO         |
 * | buy        | 20 %  | signs in, browses, orders, looks at the order, pays it, signs out       | INFO         |
 * | abandon    | 12 %  | as buy, but does not pay                                                | INFO         |
 * | support    |  7 %  | looks up recent orders and who placed them                              | INFO         |
 * | admin      |  3 %  | goes through orders, stock and customers                                | INFO         |
 * | monitoring |  8 %  | asks for health, status and metrics                                     | DEBUG        |
 * | debugging  |  3 %  | a client that asks for debug logs                                       | DEBUG        |
 * | bot        |  3 %  | reads prices, some of products long gone; a bad token; broken orders    | INFO, ERROR  |
 * | scanner    |  1 %  | probes for files, routes and holes that are not there                   | ERROR        |
 *
 * Three of ten browsers press a button of the page, and all who order do: UI events, which are records of their own.
 *
 * Of those who sign in each asks who they are, 15 % of those who order refresh their session before they go on, 70 % sign out and 30 % just
 * close the page. Most products are looked at again within the cache's 30 s, so most of these reads are hits.
 * Errors of the shop itself (declined payments, empty shelves, its latency and error model) come on top.
 */
export const shopJourneys: readonly Journey[] = [
  { name: "browse", weight: 43, steps: browse },
  { name: "buy", weight: 20, steps: buy },
  { name: "abandon", weight: 12, steps: abandon },
  { name: "support", weight: 7, steps: support },
  { name: "admin", weight: 3, steps: administer },
  { name: "monitoring", weight: 8, steps: monitor },
  { name: "debugging", weight: 3, steps: debug },
  { name: "bot", weight: 3, steps: crawl },
  { name: "scanner", weight: 1, steps: scan },
];

function* browse(session: SessionContext): Steps {
  const headers = browser(session);
  const products = yield* listProducts(session, headers);
  yield* viewProducts(session, headers, products, 1 + session.rng.integer(3));
  if (session.rng.float() < 0.2) yield get("/inventory", { headers });
  if (session.rng.float() < 0.3) yield press(session, headers, "enroll-now", "/");
}

function* buy(session: SessionContext): Steps {
  const visit = yield* signIn(session);
  if (visit === undefined) return;
  const orderId = yield* order(session, visit);
  if (orderId !== undefined) {
    yield* lookAtOrder(session, visit, orderId);
    read(session);
    const payment = { method: session.rng.pick(["card", "card", "invoice"]) };
    const { headers } = visit;
    yield post(`/orders/${orderId}/payment`, payment, { headers, name: "POST /orders/:id/payment" });
  }
  yield* leave(session, visit);
}

function* abandon(session: SessionContext): Steps {
  const visit = yield* signIn(session);
  if (visit === undefined) return;
  const orderId = yield* order(session, visit);
  if (orderId !== undefined) yield* lookAtOrder(session, visit, orderId);
  yield* leave(session, visit);
}

function* support(session: SessionContext): Steps {
  const headers = browser(session);
  const recent = yield* listOrders(headers, 0);
  for (let cases = Math.min(recent.length, 1 + session.rng.integer(3)); cases > 0; cases--) {
    const order = session.rng.pick(recent);
    read(session);
    yield viewOrder(order.order_id, headers);
    read(session);
    yield viewUser(order.user_id, headers);
  }
}

function* administer(session: SessionContext): Steps {
  const pages = 2 + session.rng.integer(3);
  for (let page = 0; page < pages; page++) {
    const orders = yield* listOrders(ADMIN, page * PAGE);
    read(session);
    if (orders.length === 0) break;
    yield viewOrder(session.rng.pick(orders).order_id, ADMIN);
    read(session);
  }
  yield get("/inventory", { headers: ADMIN });
  read(session);
  const offset = ACCOUNTS * session.rng.integer(4);
  const listed = yield get(`/users?limit=${ACCOUNTS}&offset=${offset}`, {
    ...{ headers: ADMIN, capture: true, planned: PLANNED.users },
  });
  const users = parse(Users, listed)?.users ?? [];
  read(session);
  if (users.length > 0) yield viewUser(session.rng.pick(users).id, ADMIN);
}

function* monitor(session: SessionContext): Steps {
  for (const path of ["/health", "/status", "/metrics"]) {
    yield get(path);
    session.think(1_000);
  }
}

function* debug(session: SessionContext): Steps {
  const products = yield* listProducts(session, DEBUGGING);
  yield* viewProducts(session, DEBUGGING, products, 1);
  yield get("/orders?limit=1", { headers: DEBUGGING });
}

function* crawl(session: SessionContext): Steps {
  const { rng } = session;
  const unknown = () => 1_000_000 + rng.integer(1_000_000);
  const wanted = yield* listProducts(session, BOT);
  const pages: readonly (() => Step)[] = [
    () => viewProduct(wanted.length > 0 ? rng.pick(wanted) : unknown(), BOT),
    () => viewProduct(unknown(), BOT),
    () => viewOrder(unknown(), BOT),
    () => viewUser(unknown(), BOT),
    () => get("/products?limit=100000", { headers: BOT }),
    () => post("/login", { username: "admin", password: "admin" }, { headers: BOT }),
    () => get("/session", { headers: { ...BOT, authorization: "Bearer undefined" } }),
    () => post("/orders", { user_id: "admin", items: [] }, { headers: BOT }),
    () => ({ ...post("/orders", {}, { headers: BOT }), body: '{"user_id": 1, "items": [' }),
  ];
  for (let left = 2 + rng.integer(4); left > 0; left--) {
    session.think(rng.exponential(300));
    yield rng.pick(pages)();
  }
}

const PROBES: readonly Step[] = [
  get("/wp-login.php"),
  get("/.env"),
  get("/.git/config"),
  get("/phpmyadmin/index.php"),
  get("/actuator/env"),
  get("/admin"),
  get("/orders/1%27%20OR%20%271%27=%271", { name: "GET /orders/:id" }),
  get("/products?limit=20%3BDROP%20TABLE%20users"),
  get("/users/..%2f..%2fetc%2fpasswd", { name: "GET /users/:id" }),
  { method: "DELETE", path: "/products" },
  { method: "PUT", path: "/users/1", name: "PUT /users/:id" },
  post("/login", { username: { $ne: null }, password: { $ne: null } }),
];

/** Many probes, hardly a pause: what a burst of 404 from one client looks like. */
function* scan(session: SessionContext): Steps {
  for (let left = 5 + session.rng.integer(10); left > 0; left--) {
    const probe = session.rng.pick(PROBES);
    yield { ...probe, headers: { ...probe.headers, ...SCANNER } };
    session.think(session.rng.exponential(60));
  }
}

/** Somebody who is signed in. */
interface Visit {
  readonly userId: number;
  readonly anonymous: Headers;
  headers: Headers; // with the token
  refreshToken: string;
}

/** Undefined where the shop refused a step. */
function* signIn(session: SessionContext): Steps<Visit | undefined> {
  const anonymous = browser(session);
  const listed = { headers: anonymous, capture: true, planned: PLANNED.users };
  const accounts = parse(Users, yield get(`/users?limit=${ACCOUNTS}`, listed));
  const account = accounts?.users[activity(session.rng) % accounts.users.length];
  if (account === undefined) return undefined;
  read(session);
  const credentials = { username: account.username, password: DEMO_PASSWORD };
  const asked = { headers: anonymous, capture: true, planned: PLANNED.signedIn };
  const signedIn = parse(SignedIn, yield post("/login", credentials, asked));
  if (signedIn === undefined) return undefined;
  const headers = { ...anonymous, authorization: `Bearer ${signedIn.token}` };
  yield get("/session", { headers }); // the page says who is signed in
  read(session);
  return { userId: signedIn.user_id, anonymous, headers, refreshToken: signedIn.refresh_token };
}

/** Browses and orders; undefined where the shop refused a step. */
function* order(session: SessionContext, { userId, headers }: Visit): Steps<number | undefined> {
  const products = yield* listProducts(session, headers);
  const wanted = yield* viewProducts(session, headers, products, 1 + session.rng.integer(2));
  if (wanted.length === 0) return undefined;
  const items = wanted.map((product_id) => ({ product_id, quantity: 1 + session.rng.integer(2) }));
  yield press(session, headers, "buy-now", `/products/${wanted.at(-1)!}`);
  const asked = { headers, capture: true, planned: PLANNED.placed };
  return parse(Placed, yield post("/orders", { user_id: userId, items }, asked))?.order_id;
}

function* lookAtOrder(session: SessionContext, visit: Visit, orderId: number): Steps {
  read(session);
  if (session.rng.float() < 0.15) yield* refresh(visit);
  yield viewOrder(orderId, visit.headers);
}

/** Goes on with the next tokens, or with the old one where the shop refused. */
function* refresh(visit: Visit): Steps {
  const asked = { headers: visit.anonymous, capture: true, planned: PLANNED.signedIn };
  const answer = yield post("/session/refresh", { refresh_token: visit.refreshToken }, asked);
  const refreshed = parse(SignedIn, answer);
  if (refreshed === undefined) return;
  visit.headers = { ...visit.anonymous, authorization: `Bearer ${refreshed.token}` };
  visit.refreshToken = refreshed.refresh_token;
}

/** Signs out, or closes the page. */
function* leave(session: SessionContext, { headers }: Visit): Steps {
  if (session.rng.float() >= 0.7) return;
  read(session);
  yield { method: "DELETE", path: "/session", headers };
}

/** The front page or, now and then, one further on: ids of its products. */
function* listProducts(session: SessionContext, headers: Headers): Steps<readonly number[]> {
  const list = (offset: number) =>
    get(`/products?limit=${PAGE}&offset=${offset}`, { headers, capture: true, planned: PLANNED.products });
  let page = parse(Products, yield list(0));
  read(session);
  if (page !== undefined && page.total > PAGE && session.rng.float() < 0.4) {
    const pages = Math.ceil(page.total / PAGE);
    page = parse(Products, yield list(PAGE * (1 + session.rng.integer(pages - 1))));
    read(session);
  }
  return page?.products.map((product) => product.id) ?? [];
}

/** Looks at up to `count` different ones of `products`; returns those that were shown. */
function* viewProducts(
  session: SessionContext,
  headers: Headers,
  products: readonly number[],
  count: number,
): Steps<readonly number[]> {
  const shown = new Set<number>();
  for (let left = products.length > 0 ? count : 0; left > 0; left--) {
    const id = products[popularity(session.rng) % products.length]!;
    const answer = yield viewProduct(id, headers);
    if (answer.status === 200) shown.add(id);
    read(session);
  }
  return [...shown];
}

function* listOrders(
  headers: Headers,
  offset: number,
): Steps<readonly { readonly order_id: number; readonly user_id: number }[]> {
  const listed = { headers, capture: true, planned: PLANNED.orders };
  return parse(Orders, yield get(`/orders?limit=${PAGE}&offset=${offset}`, listed))?.orders ?? [];
}

/** A press of a button, as the page tells it: an event of its own. */
const press = (session: SessionContext, headers: Headers, name: string, page: string) =>
  post("/events", { name, page, session_id: session.rng.integer(2 ** 31).toString(36) }, { headers });

const viewProduct = (id: number, headers: Headers) =>
  get(`/products/${id}`, { headers, name: "GET /products/:id" });
const viewOrder = (id: number, headers: Headers) =>
  get(`/orders/${id}`, { headers, name: "GET /orders/:id" });
const viewUser = (id: number, headers: Headers) => get(`/users/${id}`, { headers, name: "GET /users/:id" });

/** A person reads, then clicks: 0.3 s and more, 0.8 s on average. */
function read(session: SessionContext): void {
  session.think(300 + session.rng.exponential(500));
}

function browser(session: SessionContext): Headers {
  return { "user-agent": session.rng.pick(BROWSERS) };
}

const planned = new Set<unknown>(Object.values(PLANNED));

function parse<S extends z.ZodType>(schema: S, answer: Answer): z.output<S> | undefined {
  const body = answer.json();
  return planned.has(body) ? (body as z.output<S>) : schema.safeParse(body).data; // ours needs no proof
}
