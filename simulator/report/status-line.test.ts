import { Writable } from "node:stream";
import { expect, test, vi } from "vitest";
import type { Progress } from "../figures/recorder.ts";
import type { EndedRequest } from "../figures/samples.ts";
import { requestLogger, statusLine } from "./status-line.ts";

const progress: Progress = {
  elapsed_ms: 61_400,
  offered: 12_280,
  sent: 12_275,
  unsent: 5,
  answered: 12_200,
  answered_without_id: 0,
  unanswered: 3,
  in_flight: 72,
  vus: 80,
  iterations: 2_400,
  failed: 61,
  error_rate: 0.005,
  rate_per_second: 199.7,
  recent: { p50: 4.2, p95: 20, p99: 88.8 },
  all: { p50: 4, p95: 21, p99: 90 },
};

const ended: EndedRequest = {
  at_ms: Date.parse("2026-01-01T00:00:00.123Z"),
  ...{ scenario: "shop", journey: "browse", iteration: 7, name: "GET /products" },
  method: "GET",
  path: "/products?limit=20",
  status: 200,
  reason: undefined,
  ...{ response_ms: 4.2, service_ms: 4.1, delay_ms: 0.1, request_id: "id-1" },
};

test("the status line says how the run stands, within 80 columns and without a line feed", () => {
  const line = statusLine({ ...progress, unsent: 0 });
  expect(line).toBe("61s  12275 sent  200/s  72 in flight  0.5% failed  p50 4.2 ms  p99 88.8 ms");
  expect(line.length).toBeLessThanOrEqual(80);
  expect(statusLine(progress)).toContain("5 unsent");
});

test("the request log has time, method, path, status or reason, and ms", () => {
  const lines: string[] = [];
  const out = new Writable({
    decodeStrings: false,
    write: (line: string, _, next) => {
      lines.push(line);
      next();
    },
  });
  const requests = requestLogger(out);
  requests.log([ended, { ...ended, status: undefined, reason: "ECONNRESET" }]);
  expect(lines.join("").split(/(?<=\n)/)).toEqual([
    "2026-01-01T00:00:00.123Z GET /products?limit=20 200 4.200\n",
    "2026-01-01T00:00:00.123Z GET /products?limit=20 ECONNRESET 4.200\n",
  ]);
});

test("a reader that does not read holds up 1 MiB at most; the rest is left out and counted", async () => {
  const lines: string[] = [];
  let flowing = false;
  let resume: () => void = () => undefined;
  const stuck = new Writable({
    decodeStrings: false,
    write: (line: string, _, next) => {
      lines.push(line);
      if (flowing) next();
      else resume = next;
    },
  });
  const requests = requestLogger(stuck);
  for (let n = 0; n < 50_000; n++) requests.log([ended]);
  expect(stuck.writableLength).toBeLessThan(2 ** 20 + 200);
  requests.close();
  flowing = true;
  resume();
  await vi.waitUntil(() => stuck.writableLength === 0);
  const leftOut = Number(/^(\d+) requests were left out/.exec(lines.at(-1)!)?.[1]);
  expect(leftOut).toBeGreaterThan(0);
  expect(lines.length - 1 + leftOut).toBe(50_000);
});
