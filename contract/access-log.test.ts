import { describe, expect, test } from "vitest";
import { parseLine, templateOf } from "./access-log.ts";

const line = (time: string, request = "GET / HTTP/1.1", agent = "curl/8") =>
  `127.0.0.1 - - [21/Nov/2026:${time} +0000] "${request}" 200 12 "-" "${agent}"`;

describe("a line", () => {
  const second = Date.UTC(2026, 10, 21, 10, 0, 1) / 1_000;

  test.each([
    [
      "of nginx",
      String.raw`::1 - - [21/Nov/2026:10:00:01 +0000] "GET /a?b=c&d HTTP/1.1" 200 5 "-" "Mozilla/5.0 (X11; Linux)"`,
      { method: "GET", path: "/a?b=c&d", user_agent: "Mozilla/5.0 (X11; Linux)" },
    ],
    [
      "of Apache, with a user's name of two words, an offset and no bytes",
      String.raw`2001:db8::7 - ann lee [21/Nov/2026:05:30:01 -0430] "HEAD /a HTTP/1.0" 304 - "https://x.test/[1] \"2\"" "say \"hi\" \\o/"`,
      { method: "HEAD", path: "/a", user_agent: String.raw`say "hi" \o/` },
    ],
    [
      "with a virtual host before and more fields after",
      String.raw`shop.test:443 10.0.0.1 - - [21/Nov/2026:10:00:01 +0000] "DELETE /a HTTP/2.0" 499 0 "-" "-" "10.1.1.1" rt=0.1`,
      { method: "DELETE", path: "/a", user_agent: undefined },
    ],
    [
      "with escapes, which stay escaped in a path",
      String.raw`::1 - - [21/Nov/2026:10:00:01 +0000] "GET /\xC3\xA4\x22\x5C HTTP/1.1" 200 5 "-" "a\x22\xE9"`,
      { method: "GET", path: "/%C3%A4%22%5C", user_agent: 'a"é' },
    ],
    [
      "of a proxy, with the whole URL",
      String.raw`::1 - - [21/Nov/2026:10:00:01 +0000] "GET http://shop.test/a HTTP/1.1" 200 5 "-" "-"`,
      { method: "GET", path: "/a", user_agent: undefined },
    ],
    [
      "of HTTP/0.9",
      String.raw`::1 - - [21/Nov/2026:10:00:01 +0000] "GET /a" 200 5 "-" "-"`,
      { method: "GET", path: "/a", user_agent: undefined },
    ],
    [
      "with a space in the path",
      String.raw`::1 - - [21/Nov/2026:10:00:01 +0000] "GET /a b HTTP/1.1" 400 5 "-" "-"`,
      { method: "GET", path: "/a b", user_agent: undefined },
    ],
  ])("%s is read", (_, text, request) => {
    expect(parseLine(text, "combined")).toMatchObject({ second, ...request });
  });

  test("of the common format has no user agent, and the combined format wants one", () => {
    const text = '127.0.0.1 - - [21/Nov/2026:10:00:01 +0000] "GET /a HTTP/1.1" 200 5';
    expect(parseLine(text, "common")).toMatchObject({
      second,
      method: "GET",
      path: "/a",
      user_agent: undefined,
    });
    expect(parseLine(text, "combined")).toBe("unreadable");
    expect(parseLine(`${text} "-" "curl"`, "common")).toMatchObject({ user_agent: undefined });
  });

  test.each(["-", "", String.raw`\x16\x03\x01\x02`, "OPTIONS * HTTP/1.1", "CONNECT a:443 HTTP/1.1", "hello"])(
    "whose request is %j holds no request",
    (request) => {
      expect(parseLine(line("10:00:01", request), "combined")).toBe("no request");
    },
  );

  test.each([
    "garbage",
    '127.0.0.1 - - [21/Nov/2026:10:00:01] "GET / HTTP/1.1" 200 5',
    line("10:00:01").replace("Nov", "Foo"),
    line("10:00:01").replace("21/", "31/"),
    line("10:00:01").slice(0, -3),
    `${'"\\'.repeat(20_000)}[`,
  ])("such as %.40s is unreadable", (text) => {
    expect(parseLine(text, "combined")).toBe("unreadable");
  });
});

test.each([
  ["192.0.2.1 - -", { client: "192.0.2.1", user: undefined }],
  ["2001:db8::7 - ann lee", { client: "2001:db8::7", user: "ann lee" }],
  ["shop.test:443 10.0.0.1 - ann", { client: "10.0.0.1", user: "ann" }],
  ["shop.test:443 2001:db8::7 - -", { client: "2001:db8::7", user: undefined }],
])("who asked is read from %s", (who, caller) => {
  expect(parseLine(line("10:00:01").replace("127.0.0.1 - -", who), "combined")).toMatchObject(caller);
});

test.each([
  ["", undefined],
  [" 0.005", 0.005],
  [' "10.1.1.1" rt=1.250', 1.25],
  [' "0.125"', 0.125],
  [" 1234", undefined],
  [' rt=0.1 "x"', undefined],
])("behind a line%s the time it took is %s", (behind, request_time_s) => {
  expect(parseLine(line("10:00:01") + behind, "combined")).toMatchObject({
    ...{ status_code: 200, bytes_out: 12, request_time_s },
  });
});

test("ids in a path are no part of its template, nor is the query", () => {
  const uuid = "0192f0c1-7d3a-7cc0-8a51-2f6f0d5b7a10";
  expect(templateOf(`/a/7/b/${uuid}/v2/deadbeefdeadbeef?x=1`)).toBe("/a/:id/b/:id/v2/:id");
  expect(templateOf("/")).toBe("/");
});
