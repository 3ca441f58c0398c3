import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { accessLogTrace, type AccessLogOptions } from "./access-log.ts";
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
