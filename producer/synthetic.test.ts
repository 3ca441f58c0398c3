import { expect, test } from "vitest";
import type { Fields } from "../contract/record.ts";
import { requestLogRow } from "../contract/request-log-row.ts";
import { TOPIC_OF_LEVEL } from "../contract/topics.ts";
import { syntheticLogs } from "./synthetic.ts";

const NOW_MS = Date.UTC(2026, 0, 5, 12);

function draw(count: number, seed = 7) {
  const logs = syntheticLogs(seed, () => NOW_MS);
  return Array.from({ length: count }, () => logs.next().value);
}

test("A-13: the three topics are all filled", () => {
  const counts = Map.groupBy(draw(5_000), ({ level }) => TOPIC_OF_LEVEL[level]);
  for (const topic of ["info-logs", "error-logs", "debug-logs"])
    expect(counts.get(topic)!.length, topic).toBeGreaterThan(50);
});

test("A-13: level, status and error agree in each record", () => {
  for (const log of draw(5_000)) {
    if (log.status_code >= 400) expect(log.level).toBe(log.status_code === 500 ? "CRITICAL" : "ERROR");
    else expect(log.level).toBe(log.endpoint === "/health" ? "DEBUG" : "INFO");
    expect(log.error_type !== undefined).toBe(log.status_code >= 400);
    expect(log.error_message !== undefined).toBe(log.status_code >= 400);
  }
});

test("A-13: path and endpoint agree, and every endpoint and many statuses come up", () => {
  const logs = draw(5_000);
  for (const { endpoint, path } of logs) {
    expect(path).toMatch(new RegExp(`^${endpoint.replace(":id", "([1-9]|[1-9]\\d|[1-4]\\d\\d|500)")}$`));
  }
  expect(new Set(logs.map(({ method, endpoint }) => `${method} ${endpoint}`)).size).toBe(9);
  expect(new Set(logs.map(({ status_code }) => status_code)).size).toBeGreaterThanOrEqual(8);
});

test("the seed decides everything but ids and times", () => {
  const drawn = (seed: number) => draw(200, seed).map((log) => ({ ...log, request_id: "" }));
  expect(drawn(7)).toEqual(drawn(7));
  expect(drawn(7)).not.toEqual(drawn(8));
});

test("every record has an id and the time it was drawn at, and becomes a row", () => {
  const logs = draw(1_000);
  expect(new Set(logs.map(({ request_id }) => request_id)).size).toBe(1_000);
  for (const log of logs) {
    expect(log.timestamp).toBe("2026-01-05T12:00:00.000Z");
    const record = {
      cluster: "c",
      topic: TOPIC_OF_LEVEL[log.level],
      partition: 0,
      offset: 0n,
      timeMs: 0,
      key: null,
      value: null,
    };
    const decoded = requestLogRow(JSON.parse(JSON.stringify(log)) as Fields, record, NOW_MS);
    expect(decoded).toMatchObject({
      row: { request_id: log.request_id, level: log.level, status_code: log.status_code, extra: null },
    });
  }
});
