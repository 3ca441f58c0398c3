import { expect, test } from "vitest";
import {
  errorGroup,
  FINGERPRINT_SQL,
  fingerprint,
  MESSAGE_PATTERN_SQL,
  type FailedRequest,
} from "../contract/error-group.ts";
import { stream } from "../contract/random.ts";
import type { Row } from "../init_db/database.ts";
import { storeRequests } from "./fill.ts";
import { aRequestLog, openTestDatabase, rowsOf } from "./harness.ts";

const UUID = "5f0e3c1a-6c3b-4a56-9f5e-5c5bb1f0a001";

const MESSAGES = [
  ...["order 12 is not there", "Order 12 is not there", "order 12 is not there ", " order 12 is not there"],
  ...[`node ${UUID} left`, `node ${UUID.toUpperCase()} left`, `${UUID}${UUID}`, UUID.slice(0, 30)],
  ...[`12345678-${"-".repeat(27)}`, "a".repeat(15), "A".repeat(16), "9a".repeat(500), "0".repeat(1_000)],
  ...["línea 5 – straße ſ K ﬀ", "línea 5 – STRASSE S K ff", "linea 5 – strasse s k ff", "e\u0301 1 é"],
  ...["３０ ٣٤ ² Ⅷ 五", "ｄｅａｄｂｅｅｆｄｅａｄｂｅｅｆ", "😀 42 👩‍👩‍👧 7", "\u2028 8 \u00a0 9 \ufeff"],
  ...[
    "line 1\nline 2\r\n\tline 3",
    "\0 at 0\0",
    "back\\slash \\12 C:\\tmp\\3",
    "$1 \\1 $& &5 %6",
    "'7' \"8\" `9`",
  ],
  ...["half of \ud83d 8", "x".repeat(991) + "123456789", "x1".repeat(500), `${"x".repeat(1_023)}😀`, ""],
];

const HEXADECIMAL = Array.from("0123456789abcdefABCDEF----g");

/** What regular expressions and collations take for more than it is. */
const AWKWARD = [...Array.from("0011223456789aAbBcdefFgG----  .\\\n\0$'３٣ſKéıİß😀"), "e\u0301"];

function randomTexts(count: number): string[] {
  const rng = stream(11, "error-groups");
  return Array.from({ length: count }, (_, n) =>
    Array.from({ length: rng.integer(80) }, () => rng.pick(n % 2 ? AWKWARD : HEXADECIMAL)).join(""),
  );
}

test("groups are the same in the database as in the consumer, whatever the message", async () => {
  const database = await openTestDatabase();
  const failures = [...MESSAGES, ...randomTexts(1_000)].map((error_message, n) =>
    aRequestLog({
      ...{ level: "ERROR", status_code: 400 + (n % 3), error_message },
      service: n % 2 ? "orders" : "ärger 😀",
      ...(n % 5 && { error_type: `Type${n % 4}` }),
    }),
  );
  await storeRequests(database, [
    ...failures,
    aRequestLog({ level: "ERROR", status_code: 500 }),
    aRequestLog(),
  ]);

  const rows = await rowsOf(
    database.pool,
    `SELECT failed.*, ${FINGERPRINT_SQL} AS fingerprint
       FROM (SELECT service, method, endpoint, status_code, error_type, error_message, ${MESSAGE_PATTERN_SQL} AS message
               FROM api_logs WHERE level = 'ERROR') AS failed`,
  );
  expect(rows).toHaveLength(failures.length + 1);
  for (const row of rows) {
    const group = errorGroup(row as Row & FailedRequest);
    expect(row["message"]).toBe(group.message);
    expect(row["fingerprint"], String(row["error_message"])).toBe(fingerprint(group));
  }
  const stored = await rowsOf(
    database.pool,
    `SELECT g.fingerprint, ${FINGERPRINT_SQL} AS made_again, SUM(e.count) AS requests
       FROM api_error_groups g JOIN api_errors_1h e ON e.fingerprint = g.fingerprint GROUP BY g.fingerprint`,
  );
  for (const row of stored) expect(row["made_again"]).toBe(row["fingerprint"]);
  const groups = Map.groupBy(rows, (row) => String(row["fingerprint"]));
  expect(
    Object.fromEntries(stored.map((row) => [String(row["fingerprint"]), Number(row["requests"])])),
  ).toEqual(Object.fromEntries([...groups].map(([id, group]) => [id, group.length])));
  expect(await rowsOf(database.pool, "SELECT * FROM v_rollup_drift")).toEqual([]);
});
