import { expect, test } from "vitest";
import { expandMacros, intervalSeconds } from "./macros.ts";
import { MAX_DATA_POINTS, MIN_INTERVAL_SECONDS } from "./panels.ts";

const context = { fromMs: 1_700_000_000_999, toMs: 1_700_000_900_000, intervalSeconds: 30 };

test.each([
  ["$__timeFilter(timestamp)", "timestamp BETWEEN FROM_UNIXTIME(1700000000) AND FROM_UNIXTIME(1700000900)"],
  ["$__timeFrom()", "FROM_UNIXTIME(1700000000)"],
  ["$__timeTo()", "FROM_UNIXTIME(1700000900)"],
  ["$__time(timestamp)", "UNIX_TIMESTAMP(timestamp) as time_sec"],
  ["$__timeGroup(timestamp, $__interval)", "UNIX_TIMESTAMP(timestamp) DIV 30 * 30"],
  ["$__timeGroup(timestamp, '5m', NULL)", "UNIX_TIMESTAMP(timestamp) DIV 300 * 300"],
  ["$__timeGroupAlias(timestamp,'1h')", 'UNIX_TIMESTAMP(timestamp) DIV 3600 * 3600 AS "time"'],
  ["$__unixEpochFilter(bucket_s)", "bucket_s >= 1700000000 AND bucket_s <= 1700000900"],
  ["$__unixEpochFrom() $__unixEpochTo()", "1700000000 1700000900"],
  ["$__unixEpochGroup(bucket_s, '1m')", "bucket_s DIV 60 * 60"],
  ["$__unixEpochGroupAlias(bucket_s, '1m')", 'bucket_s DIV 60 * 60 AS "time"'],
  ["$__interval_ms < 60000", "30000 < 60000"],
])("%s becomes %s", (sql, expanded) => {
  expect(expandMacros(sql, context)).toBe(expanded);
});

test("a list of values is quoted for SQL, and a quote in a value ends no string", () => {
  const variables = { service: ["orders", "o'clock"] };
  expect(expandMacros("service IN (${service:sqlstring})", { ...context, variables })).toBe(
    "service IN ('orders','o''clock')",
  );
});

test("a custom All stands in the SQL as it is", () => {
  const variables = { service: "'*'" };
  expect(expandMacros("service IN (${service:sqlstring})", { ...context, variables })).toBe(
    "service IN ('*')",
  );
});

test.each([
  ["$__timeGruop(timestamp, 5s)", /no macro \$__timeGruop/],
  ["$__timeGroup(timestamp, soon)", /soon is no interval/],
  ["${endpoint:sqlstring}", /no variable is named endpoint/],
  ["SELECT current_user FROM sessions", /refuses/],
  ["SELECT user() AS me", /refuses/],
])("%s is refused", (sql, reason) => {
  expect(() => expandMacros(sql, context)).toThrow(reason);
});

test("a parenthesis inside a macro's arguments breaks it, as it does in Grafana", () => {
  expect(expandMacros("$__timeFilter(ADDTIME(timestamp, 1))", context)).toBe(
    "ADDTIME(timestamp BETWEEN FROM_UNIXTIME(1700000000) AND FROM_UNIXTIME(1700000900))",
  );
});

test.each([
  ["5 minutes", 300, 5],
  ["15 minutes", 900, 10],
  ["1 hour", 3_600, 30],
  ["6 hours", 21_600, 120],
  ["24 hours", 86_400, 600],
  ["7 days", 604_800, 3_600],
  ["30 days", 2_592_000, 21_600],
  ["a year", 31_536_000, 86_400],
])("a curve of %s is drawn from points a round time apart", (_, rangeSeconds, seconds) => {
  expect(intervalSeconds(rangeSeconds * 1_000, MAX_DATA_POINTS, MIN_INTERVAL_SECONDS)).toBe(seconds);
});

test("points of more than an hour add up whole buckets of ten seconds", () => {
  for (let rangeSeconds = 3_601; rangeSeconds < 4 * 3_600; rangeSeconds++)
    expect(intervalSeconds(rangeSeconds * 1_000, MAX_DATA_POINTS, MIN_INTERVAL_SECONDS) % 10).toBe(0);
});
