import { expect, test } from "vitest";
import { MAX_SESSIONS, Sessions } from "./sessions.ts";

test("a token names the user who signed in", () => {
  const sessions = new Sessions();
  const [token, other] = [sessions.signIn(7), sessions.signIn(8)];
  expect(token).not.toBe(other);
  expect(sessions.userId(`Bearer ${token}`)).toBe(7);
  expect(sessions.userId(`bearer ${other}`)).toBe(8);
});

test("no header, another scheme and an unknown token name nobody", () => {
  const sessions = new Sessions();
  const token = sessions.signIn(7);
  for (const header of [undefined, "", token, `Basic ${token}`, "Bearer", `Bearer ${token}x`]) {
    expect(sessions.userId(header)).toBeUndefined();
  }
});

test("beyond the cap the oldest is signed out", () => {
  const sessions = new Sessions();
  const [first, second] = [sessions.signIn(1), sessions.signIn(2)];
  for (let i = 2; i <= MAX_SESSIONS; i++) sessions.signIn(3);
  expect(sessions.userId(`Bearer ${first}`)).toBeUndefined();
  expect(sessions.userId(`Bearer ${second}`)).toBe(2);
});
