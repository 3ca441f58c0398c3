import { expect, test } from "vitest";
import { openTestShop } from "../testing.ts";

interface SignedIn {
  readonly token: string;
  readonly refresh_token: string;
  readonly expires_in: number;
}

async function openSignedIn() {
  const shop = openTestShop();
  const { username } = (await shop.ask("GET", "/users/42")).answer as { username: string };
  const { answer } = await shop.ask("POST", "/login", { username, password: "open-sesame" });
  const withToken = (method: string, path: string, token: string) =>
    shop.ask(method, path, undefined, { authorization: `Bearer ${token}` });
  return { ...shop, ...(answer as SignedIn), username, withToken };
}

test("E-8: signing in answers token, user_id, refresh_token and expires_in, and /session who it is until when", async () => {
  const { token, expires_in, username, withToken } = await openSignedIn();
  expect(expires_in).toBe(900);
  const { status, answer } = await withToken("GET", "/session", token);
  expect([status, answer]).toMatchObject([200, { user_id: 42, username }]);
  const inMs = Date.parse((answer as { expires_at: string }).expires_at) - Date.now();
  expect(inMs).toBeGreaterThan(880_000);
  expect(inMs).toBeLessThanOrEqual(900_000);
});

test("E-8: without a good token /session answers 401 and says what it wants", async () => {
  const { ask, refresh_token, withToken } = await openSignedIn();
  const refusal = { status: 401, answer: { error: { code: "SESSION_INVALID" } } };
  for (const method of ["GET", "DELETE"]) {
    const none = await ask(method, "/session");
    expect(none).toMatchObject(refusal);
    expect(none.headers.get("www-authenticate")).toBe("Bearer");
    const wrong = await withToken(method, "/session", refresh_token);
    expect(wrong).toMatchObject(refusal);
    expect(wrong.headers.get("www-authenticate")).toBe('Bearer error="invalid_token"');
  }
});

test("E-8: a refresh gives a new pair, and a second use of the old one ends the session", async () => {
  const { ask, refresh_token, withToken, records } = await openSignedIn();
  const refresh = (text: string) => ask("POST", "/session/refresh", { refresh_token: text });
  const { status, answer } = await refresh(refresh_token);
  expect([status, answer]).toMatchObject([200, { user_id: 42, expires_in: 900 }]);
  expect(records.at(-1)).toMatchObject({ service: "auth", endpoint: "/session/refresh", user_id: "42" });
  const next = answer as SignedIn;
  expect((await withToken("GET", "/session", next.token)).status).toBe(200);
  expect(await refresh(refresh_token)).toMatchObject({
    status: 401,
    answer: { error: { code: "SESSION_INVALID" } },
  });
  expect((await withToken("GET", "/session", next.token)).status).toBe(401);
  expect((await refresh(next.refresh_token)).status).toBe(401);
});

test("E-8: signing out answers 204, and afterwards no token of the session is good, nor names anybody in the log", async () => {
  const { ask, token, refresh_token, withToken, records } = await openSignedIn();
  const out = await withToken("DELETE", "/session", token);
  expect([out.status, out.text]).toEqual([204, ""]);
  expect(records.at(-1)).toMatchObject({ method: "DELETE", service: "auth", user_id: "42" });
  expect((await withToken("GET", "/session", token)).status).toBe(401);
  expect((await withToken("DELETE", "/session", token)).status).toBe(401);
  expect((await ask("POST", "/session/refresh", { refresh_token })).status).toBe(401);
  await withToken("GET", "/products", token);
  expect(records.at(-1)!.user_id).toBeUndefined();
});

test("E-8: no token reaches a record", async () => {
  const { ask, token, refresh_token, withToken, records } = await openSignedIn();
  await withToken("GET", "/session", token);
  await ask("POST", "/session/refresh", { refresh_token: `${refresh_token}x` });
  await ask("POST", "/session/refresh", `{"refresh_token": ${refresh_token}}`);
  for (const secret of [token, refresh_token]) expect(JSON.stringify(records)).not.toContain(secret);
});
