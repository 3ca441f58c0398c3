import { expect, test } from "vitest";
import { openTestShop } from "../testing.ts";

const PATH = "/__admin/faults";
const FAULT = { id: "f1", kind: "error-burst", route: "GET /products", rate: 0.5, for_ms: 60_000 };

test("a fault that was started is listed, ended with its counts, and stays listed", async () => {
  const { ask } = openTestShop();
  const { status, answer } = await ask("POST", PATH, FAULT);
  expect(status).toBe(201);
  expect(answer).toMatchObject({ ...FAULT, active: true, requests_seen: 0, requests_affected: 0 });
  const { started_at, ends_at } = answer as { started_at: string; ends_at: string };
  expect(Date.parse(ends_at) - Date.parse(started_at)).toBe(60_000);

  let failed = 0;
  for (let n = 0; n < 50; n++) if ((await ask("GET", "/products")).status === 503) failed++;
  expect(failed).toBeGreaterThan(0);
  const counts = { requests_seen: 50, requests_affected: failed };
  expect((await ask("GET", PATH)).answer).toMatchObject({ faults: [{ active: true, ...counts }] });
  expect(await ask("DELETE", `${PATH}/f1`)).toMatchObject({
    status: 200,
    answer: { active: false, ...counts },
  });
  expect((await ask("GET", PATH)).answer).toMatchObject({ faults: [{ active: false, ...counts }] });
});

test("putting a list ends all others, and a list with a mistake changes nothing", async () => {
  const { ask } = openTestShop();
  await ask("POST", PATH, FAULT);
  const twice = { faults: [FAULT, FAULT] };
  expect(await ask("PUT", PATH, twice)).toMatchObject({
    status: 400,
    answer: { error: { fields: [{ field: "faults", rule: "must not repeat an id" }] } },
  });
  const wrong = {
    faults: [
      { ...FAULT, id: "f2" },
      { ...FAULT, id: "f3", rate: 2 },
    ],
  };
  expect(await ask("PUT", PATH, wrong)).toMatchObject({
    status: 400,
    answer: { error: { fields: [{ field: "faults.1.rate" }] } },
  });
  expect((await ask("GET", PATH)).answer).toMatchObject({ faults: [{ id: "f1", active: true }] });

  const right = { faults: [{ ...FAULT, id: "f2" }] };
  expect(await ask("PUT", PATH, right)).toMatchObject({ status: 200, answer: { faults: [{ id: "f2" }] } });
  expect((await ask("GET", PATH)).answer).toMatchObject({
    faults: [
      { id: "f2", active: true },
      { id: "f1", active: false },
    ],
  });
});

test("ending all answers the final counts of those that were at work", async () => {
  const { ask } = openTestShop();
  await ask("POST", PATH, { ...FAULT, rate: 1 });
  await ask("GET", "/products");
  expect(await ask("DELETE", PATH)).toMatchObject({
    status: 200,
    answer: { faults: [{ id: "f1", active: false, requests_affected: 1 }] },
  });
  expect((await ask("GET", "/products")).status).toBe(200);
});

test("a fault for a route that the shop does not have is refused with those it has", async () => {
  const { ask } = openTestShop();
  for (const route of ["GET /product", "GET /products/7", "DELETE /users", "GET /health", "GET /metrics"]) {
    const { status, answer } = await ask("POST", PATH, { ...FAULT, route });
    expect(status).toBe(400);
    const { fields } = (answer as { error: { fields: { field: string; rule: string }[] } }).error;
    expect(fields).toMatchObject([{ field: "route" }]);
    expect(fields[0]!.rule).toMatch(/^must be one of GET \/users, .*POST \/orders\/:id\/payment/);
  }
});

test("a body is limited and checked as those of the shop are", async () => {
  const { ask } = openTestShop();
  expect((await ask("POST", PATH, "{")).status).toBe(400);
  expect((await ask("POST", PATH, "{}", { "content-type": "text/plain" })).status).toBe(415);
  expect((await ask("POST", PATH, { ...FAULT, note: "x".repeat(70_000) })).status).toBe(413);
  expect((await ask("POST", PATH)).status).toBe(400);
  expect(await ask("POST", PATH, {})).toMatchObject({
    status: 400,
    answer: { error: { fields: [{ field: "id" }, { field: "kind" }, { field: "for_ms" }] } },
  });
  const many = Array.from({ length: 101 }, (_, n) => ({ id: `f${n}`, kind: "slow", for_ms: 1 }));
  expect((await ask("PUT", PATH, { faults: many })).status).toBe(400);
});

test("what is not there answers 404, what is not allowed 405, more than there is room for 409", async () => {
  const { ask } = openTestShop();
  expect(await ask("DELETE", `${PATH}/f9`)).toMatchObject({
    status: 404,
    answer: { error: { code: "FAULT_UNKNOWN" } },
  });
  expect((await ask("PATCH", PATH)).headers.get("allow")).toBe("GET, HEAD, POST, PUT, DELETE");
  const hundred = Array.from({ length: 100 }, (_, n) => ({ id: `f${n}`, kind: "slow", for_ms: 60_000 }));
  expect((await ask("PUT", PATH, { faults: hundred })).status).toBe(200);
  expect(await ask("POST", PATH, { ...FAULT, id: "one-more" })).toMatchObject({
    status: 409,
    answer: { error: { code: "TOO_MANY_FAULTS" } },
  });
});
