import fc from "fast-check";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { appLogRow } from "../../contract/app-log-row.ts";
import type { AppLog } from "../../contract/app-log.ts";
import { appLogOfLine } from "./app-log-of-line.ts";
import { appLogStream } from "./stream.ts";

const options = { service: "shop" };
const read = (line: string | object) =>
  appLogOfLine(typeof line === "string" ? line : JSON.stringify(line), options);

/** What the consumer makes of a record. */
function stored(record: AppLog) {
  const at = { cluster: "c", topic: "application-logs", partition: 0, offset: 0n, key: null, value: null };
  const received = { ...at, timeMs: Date.now() };
  return appLogRow(JSON.parse(JSON.stringify(record)) as Record<string, unknown>, received, Infinity);
}

describe("a line of pino", () => {
  test("has its fields in their places, all others in context", () => {
    const heard: AppLog[] = [];
    const logger = pino(
      { name: "orders.payment" },
      appLogStream((record) => heard.push(record), options),
    );
    const cause = new TypeError("no price list");
    const error = Object.assign(new Error("charge failed", { cause }), { code: "E7" });
    const before = Date.now();
    logger
      .child({ reqId: "req-1", trace_id: "ab".repeat(16), userId: 7 })
      .error({ err: error, order: { id: 3 } });
    logger.fatal({ module: "a.ts", function: "pay", line: 12, service: "orders" }, "done for");
    const [first, second] = heard as [AppLog, AppLog];
    expect(first).toMatchObject({
      ...{
        v: 1,
        level: "ERROR",
        service: "shop",
        logger: "orders.payment",
        message: "charge failed",
      },
      ...{ request_id: "req-1", trace_id: "ab".repeat(16), user_id: "7", process: String(process.pid) },
      exception: { type: "Error", message: "charge failed: no price list" },
      context: { order: { id: 3 }, err: { code: "E7" } },
    });
    expect(Object.keys(first.context!)).toEqual(["order", "err"]);
    expect(first.exception!.stack).toContain("app-log-of-line.test.ts");
    expect(first.exception!.stack).toContain("no price list");
    expect(Date.parse(first.timestamp)).toBeGreaterThanOrEqual(before);
    expect(first.log_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(second).toMatchObject({
      level: "CRITICAL",
      module: "a.ts",
      function: "pay",
      line: 12,
      service: "orders",
    });
    expect(second.context).toBeUndefined();
  });

  test("tells causes within causes", () => {
    let cause: unknown;
    for (let n = 9; n > 0; n--)
      cause = { type: "DiskError", message: `depth ${n}`, ...(n % 2 && { stack: `at ${n}` }), cause };
    const { stack } = read({
      level: 50,
      msg: "x",
      err: { type: "Error", stack: "Error: x\n    at y", cause },
    })!.exception!;
    expect(stack!.split("\n")).toEqual([
      ...["Error: x", "    at y", "caused by: at 1", "caused by: DiskError: depth 2", "caused by: at 3"],
      ...["caused by: DiskError: depth 4", "caused by: at 5"],
    ]);
  });

  test.each([
    [10, "DEBUG"],
    [29, "DEBUG"],
    [30, "INFO"],
    [35, "INFO"],
    [40, "WARNING"],
    [50, "ERROR"],
    [60, "CRITICAL"],
    [99, "CRITICAL"],
    ["warn", "WARNING"],
    ["Fatal", "CRITICAL"],
    ["constructor", "INFO"],
    [{ toString: 1 }, "INFO"],
  ])("of level %j counts as %s", (level, expected) =>
    expect(read({ level, msg: "x" })!.level).toBe(expected),
  );

  test.each([
    [1_700_000_000_123, "2023-11-14T22:13:20.123Z"],
    [1_700_000_000.5, "2023-11-14T22:13:20.500Z"],
    ["1700000000123", "2023-11-14T22:13:20.123Z"],
    ["2023-11-14T22:13:20.123Z", "2023-11-14T22:13:20.123Z"],
  ])("of time %j is of %s", (time, expected) => expect(read({ time, msg: "x" })!.timestamp).toBe(expected));

  test.each([null, "soon", -1, 1e300, {}, ""])("of time %j is of now", (time) => {
    const before = Date.now();
    expect(Date.parse(read({ time, msg: "x" })!.timestamp)).toBeGreaterThanOrEqual(before);
  });

  test("that is none is an INFO with its text, and an empty one is nothing", () => {
    for (const line of ["Server listening on 8080", "[1]", "null", '"text"', "{", "7"])
      expect(read(line)).toMatchObject({ level: "INFO", message: line, service: "shop", logger: "shop" });
    for (const line of ["", "   ", "\r"]) expect(read(line)).toBeUndefined();
  });

  test("is bounded, however large or deep it is", () => {
    const deep = `{"level":50,"msg":"x","deep":${"[".repeat(50_000)}${"]".repeat(50_000)}}`;
    const huge = "\u0000".repeat(2 ** 20);
    const many = Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`k${n}`, n]));
    const fields = {
      level: 50,
      msg: huge,
      err: { type: huge, message: huge, stack: huge, cause: { stack: huge } },
    };
    const lines = [
      deep,
      huge,
      JSON.stringify({ ...fields, name: huge, reqId: huge, huge }),
      JSON.stringify(many),
    ];
    for (const line of lines) {
      const record = read(line)!;
      expect(JSON.stringify(record).length).toBeLessThan(300_000);
      expect(stored(record)).toHaveProperty("row");
    }
    expect(read(deep)!.context).toHaveProperty("cut");
  });

  test("keeps names such as __proto__ as data", () => {
    const record = read(
      '{"level":30,"msg":"x","__proto__":{"level":60},"constructor":1,"err":{"__proto__":{"type":"T"}}}',
    )!;
    expect(record.level).toBe("INFO");
    expect(JSON.stringify(record.context)).toContain('"__proto__":{"level":60},"constructor":1');
    expect({}).not.toHaveProperty("level");
  });

  test("never throws and always becomes a row, whatever it holds", () => {
    const key = fc.constantFrom(
      "level",
      "time",
      "msg",
      "err",
      "name",
      "reqId",
      "req",
      "line",
      "v",
      "service",
      "__proto__",
    );
    const value = fc.jsonValue();
    const err = fc.record({ type: value, message: value, stack: value, cause: value });
    const object = fc.dictionary(fc.oneof(key, fc.string({ unit: "binary" })), fc.oneof(value, err));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          object.map((fields) => JSON.stringify(fields)),
        ),
        (line) => {
          const record = read(line);
          return record === undefined || "row" in stored(record);
        },
      ),
      { numRuns: 500 },
    );
  });
});

test("a publisher that throws does not reach the program", () => {
  const logger = pino(
    appLogStream(() => {
      throw new Error("no");
    }, options),
  );
  expect(() => logger.info("x")).not.toThrow();
});
