import { expect, test } from "vitest";
import { openTestShop } from "../testing.ts";

const openShop = () => openTestShop({ API_SIM_HEADERS: "on" });

test("a request gets the error it asks for, and the log says so", async () => {
  const { ask, records } = openShop();
  expect(await ask("GET", "/users", undefined, { "x-sim-error": "418" })).toMatchObject({
    status: 418,
    answer: { error: { code: "FAULT_INJECTED" } },
  });
  expect(records).toMatchObject([{ level: "ERROR", status_code: 418, error_type: "x-sim-error" }]);
});

test("a request gets the delay it asks for, and then its answer", async () => {
  const { ask, records, metrics } = openShop();
  expect((await ask("GET", "/users", undefined, { "x-sim-delay": "40ms" })).status).toBe(200);
  expect(records[0]!.response_time_ms).toBeGreaterThan(38);
  expect(await metrics.registry.metrics()).toContain(
    'api_faults_injected_total{kind="x-sim-delay",route="GET /users"} 1',
  );
});

test("only a percentage of those that ask get the error", async () => {
  const { ask } = openShop();
  const errors = async (percentage: string) => {
    let count = 0;
    for (let n = 0; n < 400; n++) {
      const headers = { "x-sim-error": "503", "x-sim-error-percentage": percentage };
      if ((await ask("GET", "/users/1", undefined, headers)).status === 503) count++;
    }
    return count;
  };
  expect(await errors("0")).toBe(0);
  expect(await errors("100")).toBe(400);
  expect(Math.abs((await errors("20.5")) - 82)).toBeLessThan(5 * Math.sqrt(82));
});

test.each([
  ["x-sim-delay", "200"],
  ["x-sim-delay", "61s"],
  ["x-sim-delay", "-1s"],
  ["x-sim-error", "399"],
  ["x-sim-error", "600"],
  ["x-sim-error", "5xx"],
  ["x-sim-error-percentage", "101"],
  ["x-sim-error-percentage", "many"],
])("%s: %s is answered 400 with the rule", async (name, value) => {
  const { ask } = openShop();
  const { status, answer } = await ask("GET", "/users", undefined, { "x-sim-error": "500", [name]: value });
  expect(status).toBe(400);
  expect(answer).toMatchObject({
    error: {
      code: "INVALID_REQUEST",
      fields: [{ field: name, rule: expect.stringMatching(/^must be /) as string }],
    },
  });
});

test("a percentage of no error is refused", async () => {
  const { ask } = openShop();
  expect(await ask("GET", "/users", undefined, { "x-sim-error-percentage": "20" })).toMatchObject({
    status: 400,
    answer: { error: { fields: [{ field: "x-sim-error-percentage", rule: "must come with x-sim-error" }] } },
  });
});

test("health answers the truth whatever the headers ask for", async () => {
  const { ask } = openShop();
  expect((await ask("GET", "/health", undefined, { "x-sim-error": "500" })).status).toBe(200);
});

test("the headers mean nothing unless they are switched on", async () => {
  const { ask } = openTestShop();
  const headers = { "x-sim-delay": "nonsense", "x-sim-error": "503" };
  expect((await ask("GET", "/users", undefined, headers)).status).toBe(200);
});
