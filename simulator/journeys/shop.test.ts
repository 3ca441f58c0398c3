import { expect, test } from "vitest";
import type { Answer, Step } from "./journey.ts";
import { aPlan } from "../plan/testing.ts";
import { IterationSource } from "./iteration.ts";
import { Sessions } from "./sessions.ts";
import { shopJourneys } from "./shop.ts";

const json = (status: number, body: unknown): Answer => ({
  ...{ status, header: () => undefined, text: () => JSON.stringify(body), json: () => body },
});

/** Answers as the mock shop does, from 60 products and 500 users; remembers the orders it took. */
function answeringShop() {
  const orders = new Set<number>();
  const events: string[] = []; // bodies
  const products = Array.from({ length: 60 }, (_, n) => ({ id: n + 1 }));
  const users = Array.from({ length: 50 }, (_, n) => ({ id: n + 1, username: `user${n + 1}` }));
  const answer = (step: Step): Answer => {
    const { pathname, searchParams } = new URL(step.path, "http://shop");
    const [, list, id, payment] = pathname.split("/");
    const offset = Number(searchParams.get("offset"));
    if (step.method === "POST" && list === "login")
      return json(200, { token: "secret", refresh_token: "secret2", user_id: 7 });
    if (step.method === "POST" && list === "session")
      return json(200, { token: "secret3", refresh_token: "secret4", user_id: 7 });
    if (list === "session") {
      const isSignedIn = /^Bearer secret3?$/.test(step.headers?.["authorization"] ?? "");
      return isSignedIn ? json(step.method === "DELETE" ? 204 : 200, undefined) : json(401, {});
    }
    if (step.path === "/events") {
      events.push(step.body ?? "");
      return json(202, { accepted: 1 });
    }
    if (step.method === "POST" && payment !== undefined) return json(orders.has(Number(id)) ? 200 : 404, {});
    if (step.method === "POST") {
      const order_id = orders.size + 1;
      orders.add(order_id);
      return json(201, { message: "order placed", order_id });
    }
    if (list === "users" && id === undefined) return json(200, { users, total: 500 });
    if (list === "products" && id === undefined) {
      return json(200, { products: products.slice(offset, offset + 20), total: products.length });
    }
    if (list === "orders" && id === undefined) {
      return json(200, { orders: [...orders].map((order_id) => ({ order_id, user_id: 7 })) });
    }
    if (list === "users" && step.method === "PUT") return json(405, {});
    const known = { users: 500, products: 60, orders: orders.size }[list ?? ""];
    return json(known === undefined || id === undefined || Number(id) <= known ? 200 : 404, {});
  };
  return { answer, events };
}

/** `count` requests, one every 20 ms, each answered at once. */
function visit(count: number, seed: number, answer: (step: Step) => Answer) {
  const [scenario] = aPlan({ journeys: shopJourneys }).scenarios;
  const sessions = new Sessions(new IterationSource(scenario!, seed, () => undefined));
  return Array.from({ length: count }, (_, n) => {
    const session = sessions.take(n * 20);
    const { next: step } = session.iteration;
    const journey = session.iteration.journey.name;
    const answered = answer(step);
    sessions.answered(session, answered);
    return { journey, step, status: answered.status };
  });
}

test("a default run of 30 s holds every journey, orders that are paid, and debug and error traffic", () => {
  const requests = visit(1_500, 1, answeringShop().answer);
  expect(new Set(requests.map((request) => request.journey))).toEqual(
    new Set(shopJourneys.map((journey) => journey.name)),
  );
  const asked = (method: string, path: RegExp) =>
    requests.filter(({ step }) => step.method === method && path.test(step.path)).length;
  expect(asked("POST", /^\/orders$/)).toBeGreaterThan(20);
  expect(asked("POST", /^\/orders\/\d+\/payment$/)).toBeGreaterThan(20);
  for (const path of [/^\/health$/, /^\/status$/, /^\/metrics$/])
    expect(asked("GET", path)).toBeGreaterThan(0);
  expect(requests.some(({ step }) => step.headers?.["x-log-level"] === "debug")).toBe(true);
  expect(
    requests.filter(({ journey, status }) => journey === "bot" && status === 404).length,
  ).toBeGreaterThan(0);
});

test("all but bot and scanner ask only for what exists, and sign what they order", () => {
  for (const { journey, step, status } of visit(3_000, 2, answeringShop().answer)) {
    if (journey === "bot" || journey === "scanner") continue;
    expect(status, step.path).toBeLessThan(400);
    if (/^\/orders/.test(step.path) && step.method === "POST") {
      expect(step.headers).toMatchObject({
        authorization: expect.stringMatching(/^Bearer secret3?$/) as string,
        "content-type": "application/json",
      });
    }
  }
});

test("E-8: who signs in asks who they are, some refresh and most sign out", () => {
  const requests = visit(10_000, 7, answeringShop().answer).filter(({ journey }) =>
    ["buy", "abandon"].includes(journey),
  );
  const count = (method: string, path: string) =>
    requests.filter(({ step }) => step.method === method && step.path === path).length;
  const signedIn = count("POST", "/login");
  expect(signedIn).toBeGreaterThan(300);
  expect(count("GET", "/session") / signedIn).toBeCloseTo(1, 1);
  expect(count("POST", "/session/refresh") / signedIn).toBeCloseTo(0.15, 1);
  expect(count("DELETE", "/session") / signedIn).toBeGreaterThan(0.6);
  expect(count("DELETE", "/session") / signedIn).toBeLessThan(0.8);
});

test("U-1: who orders presses Buy Now for what they saw, some of those who browse Enroll Now", () => {
  const { answer, events } = answeringShop();
  const requests = visit(10_000, 8, answer);
  const pressed = events.map(
    (body) => JSON.parse(body) as { name: string; page: string; session_id: string },
  );
  const orders = requests.filter(({ step }) => step.method === "POST" && step.path === "/orders").length;
  expect(pressed.filter(({ name }) => name === "enroll-now").length).toBeGreaterThan(100);
  const bought = pressed.filter(({ name }) => name === "buy-now");
  expect(bought.length).toBeGreaterThan(0.9 * orders - 50);
  for (const { page } of bought) expect(page).toMatch(/^\/products\/\d+$/);
});

test("popular products are looked at far more often than others", () => {
  const views = new Map<string, number>();
  for (const { journey, step } of visit(10_000, 3, answeringShop().answer)) {
    if (journey === "browse" && /^\/products\/\d+$/.test(step.path)) {
      views.set(step.path, (views.get(step.path) ?? 0) + 1);
    }
  }
  const [most = 0, ...others] = [...views.values()].sort((a, b) => b - a);
  expect(views.size).toBeGreaterThan(30);
  expect(most).toBeGreaterThan(5 * (others.at(-1) ?? 0));
});

test("one seed, one sequence of requests", () => {
  const sequence = (seed: number) => visit(500, seed, answeringShop().answer);
  expect(sequence(4)).toEqual(sequence(4));
  expect(sequence(4)).not.toEqual(sequence(5));
});

test("a shop that answers nothing but nonsense breaks no journey", () => {
  for (const body of [
    undefined,
    null,
    [],
    { users: [], products: [], orders: [], total: 0 },
    { total: "many" },
  ]) {
    expect(visit(500, 6, () => json(200, body))).toHaveLength(500);
    expect(visit(500, 6, () => json(503, body))).toHaveLength(500);
  }
});
