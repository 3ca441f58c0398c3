import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { accessLogTrace, parseLine, type AccessLogOptions } from "./access-log.ts";
import { collect } from "./testing.ts";
import { SAFE_METHODS } from "./trace.ts";

const folder = mkdtempSync(join(tmpdir(), "rushhour-replay-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function logFile(content: string | Buffer): string {
  const path = join(folder, `${++files}.log`);
  writeFileSync(path, content);
  return path;
}

const line = (time: string, request = "GET / HTTP/1.1", agent = "curl/8") =>
  `127.0.0.1 - - [21/Nov/2026:${time} +0000] "${request}" 200 12 "-" "${agent}"`;

function trace(content: string | Buffer, options: Partial<AccessLogOptions> = {}) {
  return collect(
    accessLogTrace(logFile(content), { format: "combined", speed: 1, methods: SAFE_METHODS, ...options }),
  );
}

async function traceAndRest(lines: readonly string[]) {
  const leftOut: unknown[] = [];
  const traced = await trace(lines.join("\n"), { onLeftOut: (...told) => leftOut.push(told) });
  return { paths: traced.map(({ step }) => step.path), traced, leftOut };
}

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
    expect(parseLine(text, "combined")).toEqual({ second, ...request });
  });

  test("of the common format has no user agent, and the combined format wants one", () => {
    const text = '127.0.0.1 - - [21/Nov/2026:10:00:01 +0000] "GET /a HTTP/1.1" 200 5';
    expect(parseLine(text, "common")).toEqual({ second, method: "GET", path: "/a", user_agent: undefined });
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

test("requests of one second are spread over it, and gaps between seconds stay", async () => {
  const lines = ["10:00:00", "10:00:00", "10:00:00", "10:00:00", "10:00:01", "10:05:00"].map((at) =>
    line(at),
  );
  const traced = await trace(lines.join("\n"));
  expect(traced.map(({ due_ms }) => due_ms)).toEqual([0, 250, 500, 750, 1_000, 300_000]);
});

test("lines are sorted within 60 s; what comes later than that is left out and told", async () => {
  const { paths, leftOut } = await traceAndRest([
    line("10:00:30", "GET /2 HTTP/1.1"),
    line("10:01:00", "GET /3 HTTP/1.1"),
    line("10:00:05", "GET /1 HTTP/1.1"),
    line("10:02:00", "GET /4 HTTP/1.1"),
    line("10:00:06", "GET /late HTTP/1.1"),
    line("10:01:59", "GET /3b HTTP/1.1"),
  ]);
  expect(paths).toEqual(["/1", "/2", "/3", "/3b", "/4"]);
  expect(leftOut).toEqual([["more than 60 s out of order", "line 5"]]);
});

test("lines that cannot be read are told with their numbers, and the rest is replayed", async () => {
  const { paths, leftOut } = await traceAndRest([
    `garbage\u0007 ${"x".repeat(300)}`,
    "",
    line("10:00:00", "GET /1 HTTP/1.1"),
    `${line("10:00:01", "GET /2 HTTP/1.1")}\r`,
    line("10:00:02", "-"),
    "y".repeat(300_000),
    line("10:00:03", "GET /3 HTTP/1.1"),
  ]);
  expect(paths).toEqual(["/1", "/2", "/3"]);
  expect(leftOut).toMatchObject([
    ["unreadable", expect.stringMatching(/^line 1: garbage\? x{91}…$/)],
    ["no request", expect.stringMatching(/^line 5: /)],
    ["unreadable", expect.stringMatching(/^line 6: y{100}…$/)],
  ]);
});

test("gzip is read by what it is, not by its name, also of several members", async () => {
  const lines = Array.from({ length: 5_000 }, (_, n) => line("10:00:00", `GET /${n} HTTP/1.1`));
  const members = [lines.slice(0, 2_000), lines.slice(2_000)].map((part) => gzipSync(`${part.join("\n")}\n`));
  const traced = await trace(Buffer.concat(members));
  expect(traced.map(({ step }) => step.path)).toEqual(lines.map((_, n) => `/${n}`));
});

test("a torn gzip, a folder and no file at all are refused with the reason", async () => {
  const torn = gzipSync(`${line("10:00:00")}\n`.repeat(1_000)).subarray(0, 60);
  await expect(trace(torn)).rejects.toThrow(/the access log .*\.log cannot be read: unexpected end of file/);
  const options = { format: "combined", speed: 1, methods: SAFE_METHODS } as const;
  expect(() => accessLogTrace(folder, options)).toThrow("it is not a file");
  expect(() => accessLogTrace(join(folder, "none"), options)).toThrow("ENOENT");
});

test("an empty file is an empty trace", async () => {
  expect(await trace("")).toEqual([]);
});

test("many requests of one second pass, beyond what is held for sorting", async () => {
  const text = [
    ...Array.from({ length: 60_000 }, () => line("10:00:00")),
    ...Array.from({ length: 60_000 }, () => line("10:00:01")),
  ].join("\n");
  const traced = await trace(text);
  expect(traced).toHaveLength(120_000);
  expect(traced.every(({ due_ms }, n) => n === 0 || due_ms >= traced[n - 1]!.due_ms)).toBe(true);
});
