import fc from "fast-check";
import { expect, test } from "vitest";
import { get } from "./journey.ts";
import type { Answer, Journey } from "./journey.ts";
import { aPlan } from "../plan/testing.ts";
import { IterationSource } from "./iteration.ts";
import { Sessions } from "./sessions.ts";
import type { Session } from "./sessions.ts";

const ok: Answer = { status: 200, header: () => undefined, text: () => "", json: () => undefined };

function sessionsOf(journeys: readonly Journey[]): Sessions {
  return new Sessions(new IterationSource(aPlan({ journeys }).scenarios[0]!, 1, () => undefined));
}

/** Sessions of `steps` requests, `thinkMs` apart, each path naming its step. */
const stroll = (steps: number, thinkMs: number): Journey => ({
  name: "stroll",
  weight: 1,
  *steps(session) {
    for (let step = 0; step < steps; step++) {
      yield get(`/${step}`);
      session.think(thinkMs);
    }
  },
});

test("a session goes on when its answer is there and its think time has passed; until then new ones start", () => {
  const sessions = sessionsOf([stroll(2, 100)]);
  const first = sessions.take(0);
  expect(sessions.take(200)).not.toBe(first); // thought long enough, but no answer yet
  sessions.answered(first, ok);
  expect(sessions.take(200)).toBe(first);
  expect(first.iteration.next.path).toBe("/1");
});

test("think time counts from the due time of the last step, however late its answer came", () => {
  const sessions = sessionsOf([stroll(2, 100)]);
  const first = sessions.take(50);
  sessions.answered(first, ok);
  expect(sessions.take(149)).not.toBe(first);
  expect(sessions.take(150)).toBe(first);
});

test("a finished or abandoned session does not come back", () => {
  const sessions = sessionsOf([stroll(1, 0)]);
  const taken = new Set(Array.from({ length: 50 }, (_, n) => sessions.take(n)));
  for (const session of taken) sessions.answered(session, ok);
  expect(taken.has(sessions.take(1_000))).toBe(false);
});

test("whoever is ready for longest comes first", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 1, maxLength: 200 }), (dueMs) => {
      const sessions = sessionsOf([stroll(2, 5_000)]); // nobody is ready while they start
      const started = dueMs.map((due) => sessions.take(due));
      for (const session of started) sessions.answered(session, ok);
      const order = started.map(() => sessions.take(10_000));
      const byReadiness = (a: Session, b: Session) =>
        a.readyMs - b.readyMs || a.iteration.number - b.iteration.number;
      expect(order).toEqual(started.toSorted(byReadiness));
    }),
  );
});

test("journeys start in proportion to their weights, and one of weight 0 never", () => {
  const named = (name: string, weight: number) => ({ ...stroll(1, 0), name, weight });
  const sessions = sessionsOf([named("often", 3), named("seldom", 1), named("never", 0)]);
  const drawn = Array.from({ length: 4_000 }, (_, n) => sessions.take(n).iteration.journey.name);
  expect(drawn.filter((name) => name === "often").length / 4_000).toBeCloseTo(0.75, 1);
  expect(drawn).not.toContain("never");
});

test("journeys without a request are passed over, and only such ones are an error", () => {
  const empty = { ...stroll(0, 0), name: "empty" };
  expect(sessionsOf([empty, stroll(1, 0)]).take(0).iteration.journey.name).toBe("stroll");
  expect(() => sessionsOf([empty]).take(0)).toThrow(/made no request/);
});
