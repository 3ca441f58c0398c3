import { createHmac } from "node:crypto";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { MAX_MARKS, SessionMarks } from "./session-marks.ts";
import { ACCESS_S, REFRESH_S, Sessions } from "./sessions.ts";

const KEY = "0123456789abcdef0123456789abcdef";
const bearer = (token: string) => `Bearer ${token}`;

afterEach(() => vi.useRealTimers());

/** From now on the clock stands still, but for what the returned function adds. */
function stopClock() {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2026, 10, 21) });
  return (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1_000);
}

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
/** Header, claims and signature. */
function parts(token: string): [object, object, string] {
  const [header = "", claims = "", signature = ""] = token.split(".");
  const read = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString()) as object;
  return [read(header), read(claims), signature];
}

/** A token of anybody who has the key. */
function signed(header: object, claims: object, hash = "sha256", key = KEY) {
  const input = `${base64url(header)}.${base64url(claims)}`;
  return `${input}.${createHmac(hash, key).update(input).digest("base64url")}`;
}

describe("E-8: a session", () => {
  test("is found by its token in every process that has the key, and in no other", async () => {
    const { token, expires_in } = new Sessions(KEY).start(7);
    expect(expires_in).toBe(ACCESS_S);
    const other = new Sessions(KEY);
    expect(other.userId(bearer(token))).toBe(7);
    expect(other.userId(`bearer ${token}`)).toBe(7);
    expect(await other.find(bearer(token))).toMatchObject({ userId: 7 });
    expect(new Sessions().userId(bearer(token))).toBeUndefined();
  });

  test("goes on with each refresh, in new tokens, until nobody has refreshed it for a day", async () => {
    const pass = stopClock();
    const sessions = new Sessions(KEY);
    let tokens = sessions.start(7);
    for (let days = 0; days < 3; days++) {
      pass(REFRESH_S - 1);
      const next = await sessions.refresh(tokens.refresh_token);
      expect(next).toMatchObject({ userId: 7, expires_in: ACCESS_S });
      expect(next!.token).not.toBe(tokens.token);
      tokens = next!;
    }
    pass(REFRESH_S + 1);
    expect(await sessions.refresh(tokens.refresh_token)).toBeUndefined();
  });

  test("its token expires after a quarter of an hour", async () => {
    const pass = stopClock();
    const sessions = new Sessions(KEY);
    const { token } = sessions.start(7);
    const { expiresMs } = (await sessions.find(bearer(token)))!;
    expect(expiresMs).toBe(Date.now() + ACCESS_S * 1_000);
    pass(ACCESS_S);
    expect(sessions.userId(bearer(token))).toBe(7);
    pass(1);
    expect(sessions.userId(bearer(token))).toBeUndefined();
    expect(await sessions.find(bearer(token))).toBeUndefined();
  });

  test("that is signed out has no good token any more, another one of the same user has", async () => {
    const sessions = new Sessions(KEY);
    const [mine, other] = [sessions.start(7), sessions.start(7)];
    const refreshed = (await sessions.refresh(mine.refresh_token))!;
    await sessions.end((await sessions.find(bearer(mine.token)))!.id);
    for (const token of [mine.token, refreshed.token]) {
      expect(await sessions.find(bearer(token))).toBeUndefined();
      expect(sessions.userId(bearer(token))).toBeUndefined();
    }
    expect(await sessions.refresh(refreshed.refresh_token)).toBeUndefined();
    expect(sessions.userId(bearer(other.token))).toBe(7);
  });

  test("ends as a whole when a refresh token comes a second time, and one of two at once is the second", async () => {
    const sessions = new Sessions(KEY);
    const { token, refresh_token } = sessions.start(7);
    const answers = await Promise.all([sessions.refresh(refresh_token), sessions.refresh(refresh_token)]);
    const [first, ...none] = answers.filter((answer) => answer !== undefined);
    expect(none).toEqual([]);
    for (const stale of [token, first!.token]) expect(await sessions.find(bearer(stale))).toBeUndefined();
    expect(await sessions.refresh(first!.refresh_token)).toBeUndefined();
  });
});

describe("E-8: refused is", () => {
  const sessions = new Sessions(KEY);
  const { token, refresh_token } = sessions.start(7);
  const [header, claims, signature] = parts(token);
  const isRefused = async (forged: string) => {
    expect(sessions.userId(bearer(forged))).toBeUndefined();
    expect(await sessions.find(bearer(forged))).toBeUndefined();
    expect(await sessions.refresh(forged)).toBeUndefined();
  };

  test("the test's own forger can sign as the shop does", () => {
    expect(sessions.userId(bearer(signed(header, claims)))).toBe(7);
  });

  test.each([
    ["no signature", signed(header, claims).replace(/[^.]*$/, "")],
    ["the algorithm none", `${base64url({ alg: "none", typ: "JWT" })}.${base64url(claims)}.`],
    ["none, with a signature", signed({ alg: "none", typ: "JWT" }, claims)],
    ["another algorithm", signed({ alg: "HS512", typ: "JWT" }, claims, "sha512")],
    ["an algorithm that lies", signed({ alg: "HS512", typ: "JWT" }, claims)],
    ["another key", signed(header, claims, "sha256", "another key")],
    ["an empty key", signed(header, claims, "sha256", "")],
    [
      "other claims under the old signature",
      `${base64url(header)}.${base64url({ ...claims, sub: "8" })}.${signature}`,
    ],
    ["a critical header nobody knows", signed({ ...header, crit: ["x"], x: 1 }, claims)],
    ["another kind", signed(header, { ...claims, aud: "admin" })],
    ["several kinds but not this", signed(header, { ...claims, aud: ["admin", "x"] })],
    ["no kind", signed(header, { ...claims, aud: undefined })],
    ["no end", signed(header, { ...claims, exp: undefined })],
    ["an end in words", signed(header, { ...claims, exp: "tomorrow" })],
    ["the past", signed(header, { ...claims, exp: 1 })],
    ["no session", signed(header, { ...claims, sid: undefined })],
    ["no object", signed(header, [])],
    ["too long", signed(header, { ...claims, note: "x".repeat(600) })],
    ["nothing", ""],
    ["dots", ".."],
  ])("a token with %s", async (_what, forged) => isRefused(forged));

  test("a refresh token used as access token, and the other way round", async () => {
    expect(sessions.userId(bearer(refresh_token))).toBeUndefined();
    expect(await sessions.find(bearer(refresh_token))).toBeUndefined();
    expect(await sessions.refresh(token)).toBeUndefined();
  });

  test("another scheme, and no header", () => {
    for (const authorization of [undefined, "", token, `Basic ${token}`, "Bearer", `Bearer ${token} x`])
      expect(sessions.userId(authorization)).toBeUndefined();
  });

  test("any change of a character, and any text", async () => {
    const position = fc.nat({ max: token.length - 1 });
    await fc.assert(
      fc.asyncProperty(
        position,
        fc.constantFrom("a", "Z", "0", "-", "_", ".", "=", "+", "/", " ", "\u00e9"),
        async (at, other) => {
          const changed = token.slice(0, at) + other + token.slice(at + 1);
          if (changed !== token) await isRefused(changed);
        },
      ),
      { numRuns: 300 },
    );
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 200 }), (text) => isRefused(text)),
      { numRuns: 100 },
    );
  });
});

describe("marks", () => {
  test("are forgotten when no token can live any more to which they matter", async () => {
    const pass = stopClock();
    const marks = new SessionMarks(60_000);
    expect(await marks.set("a")).toBe(true);
    expect(await marks.set("a")).toBe(false);
    pass(60);
    expect(await marks.has("a")).toBe(false);
    expect(await marks.set("a")).toBe(true);
  });

  test("beyond the cap the oldest is forgotten, and whatever it may have ended counts as ended", async () => {
    const pass = stopClock();
    const sessions = new Sessions(KEY);
    const [first, second] = [sessions.start(1), sessions.start(2)];
    await sessions.end((await sessions.find(bearer(first.token)))!.id);
    pass(2);
    const late = sessions.start(3);
    for (let n = 1; n < MAX_MARKS; n++) await sessions.end(String(n));
    expect(sessions.userId(bearer(second.token))).toBe(2);
    await sessions.end("one more");
    expect([first, second, late].map(({ token }) => sessions.userId(bearer(token)))).toEqual([
      ...[undefined, undefined, 3],
    ]);
  });
});
