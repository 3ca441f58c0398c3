import { Hono } from "hono";
import { expect, test } from "vitest";
import { readSettings, apiSettings } from "../../contract/config.ts";
import type { RequestLog } from "../../contract/request-log.ts";
import { pseudonym, redactSecrets } from "./redact.ts";
import { requestLog, type RequestLogOptions } from "./request-log.ts";

test.each([
  ["no user ada.lindqvist@example.com here", "no user *** here"],
  ["/users/ada%40example.co.uk/orders", "/users/***/orders"],
  ["authorization: Bearer abc.def-ghi_123==", "authorization: Bearer ***"],
  ["got basic QWxhZGRpbjpvcGVu", "got basic ***"],
  ["jwt eyJhbGciOi.eyJzdWIi.sig_nature-1 expired", "jwt *** expired"],
  ["password=hunter2&user=ada", "password=***&user=ada"],
  ['{"api_key": "k-123", "n": 1}', '{"api_key": "***", "n": 1}'],
  ["card 4111 1111 1111 1111 declined", "card *** declined"],
  ["card 4111-1111-1111-1111, order 1234567", "card ***, order 1234567"],
  ["iban-like 1234567890123456", "iban-like ***"],
  ["1764000000 is a time in seconds", "1764000000 is a time in seconds"],
  ["0192f0c1-7d3a-7cc0-8a51-2f6f0d5b7a10", "0192f0c1-7d3a-7cc0-8a51-2f6f0d5b7a10"],
  [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
  ],
  ["bearer of bad news", "bearer of bad news"],
  ["/orders/:id", "/orders/:id"],
])("%s is kept as %s", (text, kept) => expect(redactSecrets(text)).toBe(kept));

test("text made to be slow is not", () => {
  for (const piece of ["a", "a@", "a.", "1 ", "1", "bearer ", "password", "eyJ-", "eyJa.", "%40", "token="]) {
    expect(redactSecrets(piece.repeat(16_384 / piece.length)).length).toBeGreaterThan(0); // the limit of the test is the bound
  }
});

test("a pseudonym is the same for a user and a key, and no other's", () => {
  const key = "0123456789abcdef";
  expect(pseudonym("7", key)).toMatch(/^[\da-f]{32}$/);
  expect(pseudonym("7", key)).toBe(pseudonym("7", key));
  expect(pseudonym("8", key)).not.toBe(pseudonym("7", key));
  expect(pseudonym("7", `${key}0`)).not.toBe(pseudonym("7", key));
});

async function recordOf(options: RequestLogOptions): Promise<RequestLog> {
  const records: RequestLog[] = [];
  const app = new Hono();
  app.use(requestLog((record) => records.push(record), { userId: () => "ada@example.com", ...options }));
  app.get("*", () => {
    throw new Error("no mail to ada@example.com");
  });
  app.onError((_error, c) => c.text("sorry", 500));
  const headers = { "user-agent": "bot (bot@example.com)" };
  await (await app.request("/mail/ada@example.com", { headers })).text();
  return records[0]!;
}

test("by default all is kept", async () => {
  expect(await recordOf({})).toMatchObject({
    ...{ user_id: "ada@example.com", path: "/mail/ada@example.com", user_agent: "bot (bot@example.com)" },
    error_message: "no mail to ada@example.com",
  });
});

test("redacted, no field of the record holds the address", async () => {
  const record = await recordOf({ redact: true, userIds: "drop" });
  expect(record).toMatchObject({
    path: "/mail/***",
    user_agent: "bot (***)",
    error_message: "no mail to ***",
  });
  expect(record.stack).toMatch(/no mail to \*\*\*/);
  expect(record.user_id).toBeUndefined();
  expect(JSON.stringify(record)).not.toContain("@example.com");
});

test("a hashed user stays the same one without a name", async () => {
  const userIds = { hashKey: "0123456789abcdef" };
  const [one, other] = [await recordOf({ userIds }), await recordOf({ userIds })];
  expect(one.user_id).toBe(pseudonym("ada@example.com", userIds.hashKey));
  expect(other.user_id).toBe(one.user_id);
  expect((await recordOf({ userIds, userId: () => undefined })).user_id).toBeUndefined();
});

test("API_USER_ID=hash asks for a key, and no message shows one", () => {
  const read = (env: Record<string, string>) => () => readSettings(apiSettings, env);
  expect(read({ API_USER_ID: "hash" })).toThrow(/API_PII_KEY=\(not set\) must be set for API_USER_ID=hash/);
  expect(read({ API_USER_ID: "hash", API_PII_KEY: "short-secret" })).toThrow(/API_PII_KEY=\*\*\* must be 16/);
  expect(read({ API_USER_ID: "hash", API_PII_KEY: "0123456789abcdef" })()).toMatchObject({
    API_USER_ID: "hash",
  });
  expect(read({})()).toMatchObject({ API_USER_ID: "keep", API_REDACT: "off" });
});
