import { weighted, zipf, type Rng } from "../../contract/random.ts";
import { createPeople, USERS, type Home } from "./people.ts";
import { ROUTES, UNMATCHED_ROUTE, type Route } from "./routes.ts";

/** Somebody on the way through the shop. */
export interface Visitor {
  readonly home: Home;
  readonly user: number; // 0: not a customer
  readonly script: readonly Route[]; // what they mean to do, in this order
  step: number; // index in the script of what comes next
  isSignedIn: boolean;
  order: number; // the one placed in this visit, else 0
}

/** What a request is about. */
export interface Request {
  readonly route: Route;
  readonly path: string;
  readonly id: number; // in the path; 0 without one
}

/** The people in the shop. */
export interface Visitors {
  /** Whose turn it is. */
  next(day: number): Visitor;
  /** A passer-by who asks once, as a spike brings them. */
  passerBy(route: Route): Visitor;
  request(visitor: Visitor): Request;
  /** Moves the visitor on, or to the door: who fails at a gate tries again or leaves. */
  answered(visitor: Visitor, request: Request, hasFailed: boolean): void;
}

const PRODUCTS = 200;
const FIRST_ORDER = 10_000;
const TRIES_AGAIN = 0.5;
const ORDERS_REMEMBERED = 500; // how far back an order may lie that somebody looks at

const MONITOR: Home = { user_agent: "kube-probe/1.33", client_ip: "10.0.0.2" };
const OFFICE: Home = { user_agent: "shop-backoffice/3.4", client_ip: "10.0.7.20" };
const CRAWLER: Home = {
  user_agent: "pricebot/2.1 (+https://pricebot.example)",
  client_ip: "198.51.100.17",
};
const SCANNER: Home = { user_agent: "Mozilla/5.0 (compatible; probe/0.9)", client_ip: "203.0.113.66" };
const SCANNED = [
  "/wp-login.php",
  "/.env",
  "/admin",
  "/phpmyadmin/index.php",
  "/.git/config",
  "/api/v1/users",
];

/** How often each kind of visit begins. */
const VISITS = { stranger: 34, customer: 46, returning: 8, office: 4, crawler: 2, monitor: 30, scanner: 0.6 };
type Visit = keyof typeof VISITS;

/**
 * `count` visitors at a time; who leaves is replaced. Each turn is a random visitor's, so think times are exponential, with as many
 * seconds on average as there are visitors to a request a second.
 */
export function createVisitors(seed: number, rng: Rng, count: number): Visitors {
  const people = createPeople(seed, rng);
  const kinds = Object.keys(VISITS) as Visit[];
  const kindOf = weighted(Object.values(VISITS));
  const popularity = zipf(PRODUCTS);
  const inside: Visitor[] = [];
  let newestOrder = FIRST_ORDER;

  const visitor = (home: Home, script: readonly Route[], user = 0): Visitor => {
    return { home, user, script, step: 0, isSignedIn: false, order: 0 };
  };

  function enter(day: number): Visitor {
    const { login, session, getUser, getOrder, listOrders, listUsers, listProducts, inventory, health } =
      ROUTES;
    switch (kinds[kindOf(rng)]!) {
      case "stranger":
        return visitor(people.stranger(), looksAround(rng));
      case "customer": {
        const { user, buys } = people.customerOn(day);
        const script = [login, session, ...looksAround(rng), ...(buys ? PURCHASE : []), ...leaves(rng)];
        return visitor(people.homeOf(user, day), script, user);
      }
      case "returning": {
        const { user } = people.customerOn(day);
        return visitor(
          people.homeOf(user, day),
          [login, session, getUser, getOrder, getOrder, ...leaves(rng)],
          user,
        );
      }
      case "office":
        return visitor(OFFICE, [listOrders, getOrder, getOrder, listUsers, getUser, inventory]);
      case "crawler":
        return visitor(CRAWLER, [listProducts, ...Array<Route>(12).fill(ROUTES.getProduct)]);
      case "monitor":
        return visitor(MONITOR, [health]);
      case "scanner":
        return visitor(SCANNER, Array<Route>(SCANNED.length).fill(UNMATCHED_ROUTE));
    }
  }

  function idFor({ idOf }: Route, { user, order }: Visitor): number {
    switch (idOf) {
      case "product":
        return 1 + ((popularity(rng) * 77 + 13) % PRODUCTS); // the best-sellers are not the first in the list
      case "user":
        return user > 0 ? user : 1 + rng.integer(USERS);
      case "order":
        return order > 0 ? order : newestOrder - rng.integer(ORDERS_REMEMBERED);
      default:
        return 0;
    }
  }

  return {
    next(day) {
      const seat = rng.integer(count);
      const sitting = inside[seat];
      if (sitting !== undefined && sitting.step < sitting.script.length) return sitting;
      return (inside[seat] = enter(day));
    },
    passerBy: (route) => visitor(people.stranger(), [route]),
    request(visitor) {
      const route = visitor.script[visitor.step]!;
      const id = idFor(route, visitor);
      if (route === UNMATCHED_ROUTE) return { route, id, path: SCANNED[visitor.step]! };
      return { route, id, path: id === 0 ? route.endpoint : route.endpoint.replace(":id", String(id)) };
    },
    answered(visitor, { route }, hasFailed) {
      if (!hasFailed || !route.isGate) visitor.step++;
      else if (rng.float() >= TRIES_AGAIN) visitor.step = visitor.script.length;
      if (hasFailed) return;
      if (route === ROUTES.login) visitor.isSignedIn = true;
      if (route === ROUTES.signOut) visitor.isSignedIn = false;
      if (route === ROUTES.placeOrder) visitor.order = ++newestOrder;
    },
  };
}

const PURCHASE = [ROUTES.placeOrder, ROUTES.getOrder, ROUTES.payOrder, ROUTES.getOrder];

/** Some stay so long that they refresh their session; most sign out, the others close the page. */
function leaves(rng: Rng): Route[] {
  return [
    ...(rng.float() < 0.1 ? [ROUTES.refreshSession] : []),
    ...(rng.float() < 0.7 ? [ROUTES.signOut] : []),
  ];
}

/** The front page, products, now and then the list again or what is in stock. */
function looksAround(rng: Rng): Route[] {
  const script: Route[] = [ROUTES.listProducts];
  do {
    const point = rng.float();
    script.push(point < 0.7 ? ROUTES.getProduct : point < 0.92 ? ROUTES.listProducts : ROUTES.inventory);
  } while (rng.float() < 0.75);
  return script;
}
