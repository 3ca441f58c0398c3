import { expect, test } from "vitest";
import { bearerToken, MAX_WRONG_TOKENS } from "./bearer-token.ts";
import { clientOf, PerClient } from "./client-address.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";

test("after so many wrong tokens in a minute a client is not looked at, and others are", () => {
  let nowMs = 0;
  const check = bearerToken(TOKEN, () => nowMs);
  for (let n = 0; n < MAX_WRONG_TOKENS; n++) expect(check(`Bearer x${n}`, "a").is).toBe("wrong");
  nowMs = 20_000;
  expect(check(`Bearer ${TOKEN}`, "a")).toEqual({ is: "blocked", retryAfterS: 40 });
  expect(check(`Bearer ${TOKEN}`, "b").is).toBe("right");
  nowMs = 60_000;
  expect(check(`Bearer ${TOKEN}`, "a").is).toBe("right");
  expect(check(undefined, "a").is).toBe("wrong");
});

test("right tokens are not counted, and a quiet minute forgets the wrong ones", () => {
  let nowMs = 0;
  const check = bearerToken(TOKEN, () => nowMs);
  for (let n = 0; n < 10 * MAX_WRONG_TOKENS; n++) {
    nowMs += 1_001; // about one a second
    expect(check(n % 2 ? "Bearer wrong" : `Bearer ${TOKEN}`, "a").is).toBe(n % 2 ? "wrong" : "right");
  }
});

test("what is known of clients is bounded, those seen last stay", () => {
  const known = new PerClient<number>(100);
  for (let n = 0; n < 10_000; n++) {
    known.set(`client-${n}`, n);
    known.set("regular", n);
  }
  expect(known.size).toBe(100);
  expect(known.get("regular")).toBe(9_999);
  expect(known.get("client-1")).toBeUndefined();
});

test.each([
  ["192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  [undefined, "(unknown)"],
])("%s is the client %s", (address, client) => expect(clientOf(address)).toBe(client));
