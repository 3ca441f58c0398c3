import { expect, test } from "vitest";
import { idOfLine, lineReader } from "./records.ts";

const NOW_MS = Date.UTC(2026, 10, 21, 12);
const read = (line: string) => lineReader({ service: "shop", instance: "web-1" })(line, "id-1", NOW_MS);
const line = (request: string, status: number | string = 200, behind = "") =>
  `192.0.2.1 - ann [21/Nov/2026:10:00:01 +0000] "${request}" ${status} 12 "-" "curl/8"${behind}`;

test("a line is a request log, without its query and with ids in its path as :id", () => {
  expect(read(line("get /orders/7?secret=1 HTTP/1.1", 200, " 0.005"))).toEqual({
    ...{ v: 1, request_id: "id-1", timestamp: "2026-11-21T10:00:01.000Z", level: "INFO" },
    ...{ service: "shop", instance: "web-1", endpoint: "/orders/:id", path: "/orders/7", method: "GET" },
    ...{ status_code: 200, response_time_ms: 5, user_agent: "curl/8", client_ip: "192.0.2.1" },
    ...{ bytes_out: 12, user_id: "ann" },
  });
  expect(read(line("GET /x HTTP/1.1", 404))).toMatchObject({ endpoint: "(unmatched)", level: "ERROR" });
  expect(read('::1 - - [21/Nov/2026:10:00:01 +0000] "GET /a HTTP/1.1" 503 -')).toMatchObject({
    ...{ endpoint: "/a", status_code: 503, response_time_ms: 0, user_agent: undefined, bytes_out: undefined },
  });
});

test.each([
  ["garbage", "unreadable"],
  [line("-"), "no request"],
  [line("GET / HTTP/1.1", "-"), "no status"],
  [line("GET / HTTP/1.1", "099"), "no status"],
  [line("GET / HTTP/1.1").replace("10:00:01", "14:00:01"), "more than an hour ahead"],
  ["x".repeat(70_000), "too long"],
])("%.40s is none: %s", (text, reason) => {
  expect(read(text)).toBe(reason);
});

test("templates are few, whatever a scanner asks for", () => {
  const reader = lineReader({ service: "shop", instance: "web-1" });
  const endpoints = Array.from({ length: 1_100 }, (_, n) =>
    reader(line(`GET /x${n} HTTP/1.1`), "id", NOW_MS),
  );
  expect(new Set(endpoints.map((record) => (record as { endpoint: string }).endpoint)).size).toBe(1_001);
});

test("the id of a line depends on its log, the head of its file and its place", () => {
  const ids = [
    idOfLine("/a", "h", 0),
    idOfLine("/b", "h", 0),
    idOfLine("/a", "i", 0),
    idOfLine("/a", "h", 1),
  ];
  expect(new Set(ids).size).toBe(4);
  expect(idOfLine("/a", "h", 0)).toBe(idOfLine("/a", "h", 0));
});
