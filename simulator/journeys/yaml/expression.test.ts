import fc from "fast-check";
import { expect, test } from "vitest";
import { stream } from "../../../contract/random.ts";
import { ExpressionError, parseExpression } from "./expression.ts";
import { Frame, Unknown } from "./frame.ts";
import { JourneyScope } from "./scope.ts";

const VARIABLES: Record<string, unknown> = {
  page: 3,
  name: "Ada",
  ids: [7, 8, 9],
  user: { id: 5, address: { city: "Graz" }, "e-mail": "a@b.c" },
  nothing: undefined,
};

function contextOf(planning = false) {
  const scope = new JourneyScope(new Map(), { HOST: "shop", LIMIT: "20", ZIP: "0815" });
  const session = {
    rng: stream(1, "expressions"),
    iteration: 4,
    vu: 2,
    planning,
    think: () => undefined,
    check: () => undefined,
  };
  const frame = new Frame(session);
  for (const [name, value] of Object.entries(VARIABLES)) frame.values[scope.declare(name)] = value;
  frame.values[scope.declare("unknown")] = new Unknown("unknown");
  return { scope, frame };
}

function evaluate(text: string, planning = false): unknown {
  const { scope, frame } = contextOf(planning);
  return parseExpression(text, scope)(frame);
}

test.each<[string, unknown]>([
  ["1 + 2 * 3", 7],
  ["(1 + 2) * 3", 9],
  ["10 - 3 - 2", 5],
  ["7 % 4 / 2", 1.5],
  ["-page + 1", -2],
  ["- -page", 3],
  ["2 * -3", -6],
  ["1.5e3", 1500],
  ["page > 2 && name == 'Ada' || false", true],
  ["!(page == 3)", false],
  ["page >= 3 ? 'many' : 'few'", "many"],
  ["false ? 1 : true ? 2 : 3", 2],
  ["nothing ?? 'default'", "default"],
  ["'a' < 'b'", true],
  ["page == '3'", false],
  ["'5' < 6", false],
  ["name + '-' + page", "Ada-3"],
  [String.raw`"say \"hi\"\n" + '\u00e9'`, 'say "hi"\né'],
  ["user.address.city", "Graz"],
  ['user["e-mail"]', "a@b.c"],
  ["ids[0] + ids[-1]", 16],
  ["ids.length + name.length", 6],
  ["[1, page, 'x'][1]", 3],
  ["user.missing.deeper[3].still", undefined],
  ["ids[99]", undefined],
  ["name * 2", undefined],
  ["1 / 0", undefined],
  ["nothing + 'x'", undefined],
  ["env.LIMIT * 2", 40],
  ["env.ZIP", "0815"],
  ["env['HOST']", "shop"],
  ["iteration * 10 + vu", 42],
  ["length(ids)", 3],
  ["upper(name) + lower(name) + trim('  x ')", "ADAadax"],
  ["number('12.5') + number('x')", undefined],
  ["json(user.address)", '{"city":"Graz"}'],
  ["base64('user:pass')", "dXNlcjpwYXNz"],
  ["urlencode('a b/c')", "a%20b%2Fc"],
  ["pad(page, 4)", "0003"],
  ["join(ids, '-')", "7-8-9"],
  ["contains(ids, 8) && contains(name, 'd') && !contains(ids, '8')", true],
  ["round(2.5) + floor(2.9) + ceil(2.1) + abs(-1)", 9],
  ["min(page, 2) + max(page, 9)", 11],
  ["iso_time(0) + ' ' + iso_date(86400000)", "1970-01-01T00:00:00.000Z 1970-01-02"],
  ["upper(nothing)", undefined],
])("%s", (text, value) => {
  expect(evaluate(text)).toEqual(value);
});

test.each([
  ["usr.id", /no variable "usr" here.*did you mean user/],
  ["env.HOTS", /env\.HOTS is not set.*did you mean HOST.*--env HOTS=/],
  ["lenght(ids)", /no function "lenght".*did you mean length/],
  ["random.int(1)", /random\.int takes 2 values, not 1/],
  ["random.dice(1)", /no function "random\.dice"/],
  ["page === 3", /knows no "===".*write "=="/],
  ["page = 3", /cannot assign/],
  ["1 +", /the end where a value must stand/],
  ["(1 + 2", /the end where "\)" must stand/],
  ["1 2", /"2" where an operator or the end must stand/],
  ["'open", /"'open" where a value/],
  ["page @ 2", /"@ 2" where/],
  ["", /the end where a value/],
])("says what is wrong with %s", (text, message) => {
  expect(() => evaluate(text)).toThrow(message);
});

test("nothing of JavaScript can be reached", () => {
  for (const text of [
    "user.constructor",
    "ids.constructor",
    "name.__proto__",
    "user['toString']",
    "ids.map",
  ]) {
    expect(evaluate(text), text).toBeUndefined();
  }
  for (const text of ["globalThis", "process.env", "eval('1')", "constructor", "__proto__", "toString()"]) {
    expect(() => evaluate(text), text).toThrow(ExpressionError);
  }
});

test("whatever is written, the parser throws nothing but its own error, and what it compiles throws nothing", () => {
  const piece = fc.constantFrom(
    ..."( ) [ ] { } . , ? : ?? || && == != === < <= > >= + - * / % ! ' \" \\ $ @ 1 2.5 1e999 page ids user unknown nothing".split(
      " ",
    ),
    ..."env env.HOST header header.x random random.int( random.pick(ids) random.uuid() length( json( pad( status body text null".split(
      " ",
    ),
    " ",
  );
  const texts = fc.oneof(
    fc.string(),
    fc.string({ unit: "binary" }),
    fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join("")),
  );
  fc.assert(
    fc.property(texts, fc.boolean(), (text, planning) => {
      const { scope, frame } = contextOf(planning);
      let compiled;
      try {
        compiled = parseExpression(text, scope);
      } catch (error) {
        expect(error).toBeInstanceOf(ExpressionError);
        return;
      }
      compiled(frame);
    }),
    { numRuns: 1_000 },
  );
});

test("deep nesting and great length are errors, not an exhausted stack", () => {
  for (const text of [
    "(".repeat(100_000),
    "!".repeat(900),
    "[".repeat(900),
    "1+".repeat(5_000) + "1",
    "a.".repeat(5_000),
  ]) {
    expect(() => evaluate(text)).toThrow(ExpressionError);
  }
  expect(evaluate("1+".repeat(400) + "1")).toBe(401);
});

test("random functions give what they say, and the same again for the same seed", () => {
  const { scope, frame } = contextOf();
  const drawMany = (text: string) => {
    const compiled = parseExpression(text, scope);
    return Array.from({ length: 2_000 }, () => compiled(frame));
  };
  expect(new Set(drawMany("random.int(3, 5)"))).toEqual(new Set([3, 4, 5]));
  expect(new Set(drawMany("random.pick(ids)"))).toEqual(new Set([7, 8, 9]));
  expect(drawMany("random.bool(0.25)").filter(Boolean).length).toBeGreaterThan(400);
  expect(drawMany("random.zipf(10)").every((rank) => Number(rank) >= 1 && Number(rank) <= 10)).toBe(true);
  expect(drawMany("random.float(2, 3)").every((value) => Number(value) >= 2 && Number(value) < 3)).toBe(true);
  expect(drawMany("random.lognormal(100, 0.1)").every((value) => Number(value) > 50)).toBe(true);
  expect(new Set(drawMany("random.string(12)")).size).toBe(2_000);
  for (const uuid of drawMany("random.uuid()")) {
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
  expect(evaluate("random.uuid()")).toBe(evaluate("random.uuid()"));
  for (const text of [
    "random.int(5, 3)",
    "random.int(1, name)",
    "random.pick([])",
    "random.string(1e9)",
    "random.zipf(0)",
  ]) {
    expect(evaluate(text), text).toBeUndefined();
  }
});

test("while planning, what comes of an answer stands for itself", () => {
  const planned = (text: string) => String(evaluate(text, true));
  expect(planned("unknown")).toBe("{unknown}");
  expect(planned("unknown.items[0].id + 1")).toBe("{unknown.items[0].id+1}");
  expect(planned("upper(unknown)")).toBe("{upper(unknown)}");
  expect(planned("random.pick(unknown)")).toMatch(/^\{random\.pick\(unknown\):[0-9a-f]{8}\}$/);
  expect(planned("now()")).toBe("{now}");
  expect(planned("unknown == 3 ? 'yes' : 'no'")).toBe("yes");
  expect(planned("!unknown")).toBe("{!unknown}");
  expect(planned("ids[unknown]")).toBe("{[7,8,9][unknown]}");
});
