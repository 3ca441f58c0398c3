import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Step } from "../journey.ts";
import { compileYaml, journeyOf, visit } from "./testing.ts";
import type { Reply } from "./testing.ts";

const asked = (steps: readonly Step[]) => steps.map(({ method, path }) => `${method} ${path}`);

async function folderWith(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "rushhour-journeys-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

/** What is wrong, as `path: message`. */
async function problemsOf(yaml: string, options: { folder?: string; env?: Record<string, string> } = {}) {
  const { problems } = await compileYaml(yaml, options);
  return problems.map(({ path, message }) => `${path.join(".")}: ${message}`);
}

test("a whole journey: captures go into paths, headers and typed JSON, checks are counted, think times add up", async () => {
  const { journeys, problems } = await compileYaml(
    `
journeys:
  buyer:
    weight: 3
    vars: { page: "\${random.int(2, 2)}" }
    headers: { Accept: application/json, x-tenant: "\${env.TENANT}" }
    steps:
      - get: /products?limit=20&offset=\${page * 20}
        check: { status: 200, "has products": "\${body.products.length > 0}", empty: length(body.products) == 0 }
        capture: { ids: "$.products[*].id", etag: header.ETag, first: "$.products[0]", code: status, word: { regex: 'say (?<what>\\w+)', group: what } }
      - think: 1s
      - think: { min: 100ms, max: 100ms }
      - pick: { product: { from: ids, by: last } }
      - post: /orders/\${first.name}
        headers: { if-match: "\${etag}", accept: text/plain }
        json: { id: "\${product}", text: "no \${product}!", list: ["\${ids}"], plain: "$\${x}", flag: true, code: "\${code}" }
      - put: /form
        form: { q: "\${word} & more", n: 1 }
      - request: { method: PURGE, path: /cache }
        body: "raw \${product}"
`,
    { env: { TENANT: "acme" } },
  );
  expect(problems).toEqual([]);
  const buyer = journeys.get("buyer")!;
  expect([buyer.name, buyer.weight]).toEqual(["buyer", 3]);
  const json = { products: [{ id: 7, name: "a/b ü" }, { id: 8 }] };
  const { steps, checks, thoughtMs } = visit(buyer, () => ({
    json,
    headers: { etag: 'W/"1"' },
    text: "say hello",
  }));
  const common = { accept: "application/json", "x-tenant": "acme" };
  expect(steps).toEqual([
    {
      method: "GET",
      path: "/products?limit=20&offset=40",
      name: "GET /products",
      headers: common,
      capture: true,
    },
    {
      method: "POST",
      path: "/orders/a%2Fb%20%C3%BC",
      name: "POST /orders/{first.name}",
      headers: { "content-type": "application/json", ...common, accept: "text/plain", "if-match": 'W/"1"' },
      body: '{"id":8,"text":"no 8!","list":[[7,8]],"plain":"${x}","flag":true,"code":200}',
    },
    {
      method: "PUT",
      path: "/form",
      name: "PUT /form",
      headers: { "content-type": "application/x-www-form-urlencoded", ...common },
      body: "q=hello%20%26%20more&n=1",
    },
    { method: "PURGE", path: "/cache", name: "PURGE /cache", headers: common, body: "raw 8" },
  ]);
  expect(checks).toEqual([
    ["GET /products: status 200", true],
    ["has products", true],
    ["empty", false],
  ]);
  expect(thoughtMs).toEqual([1_000, 100]);
});

test.each<[string, Reply, string]>([
  ["capture: { id: $.id }", { json: {} }, "capture id"],
  ["capture: { ids: '$.items[*].id' }", { json: { items: [] } }, "capture ids"],
  ["capture: { id: $.id }", { text: "<html>" }, "capture id"],
  ["capture: { etag: header.etag }", {}, "capture etag"],
  ["capture: { word: { regex: 'a(b)' } }", { text: "xyz" }, "capture word"],
])("an iteration ends where %s finds nothing, as a failed check", async (capture, reply, check) => {
  const journey = await journeyOf(`- get: /a\n  ${capture}\n- get: /b`);
  const { steps, checks } = visit(journey, () => reply);
  expect(asked(steps)).toEqual(["GET /a"]);
  expect(checks).toEqual([[check, false]]);
});

test("a capture with a default goes on with it, and keeps null and false that were answered", async () => {
  const journey = await journeyOf(`
- get: /a
  capture: { a: { path: $.a, default: 5 }, b: { path: $.b, default: 5 }, c: $.c, d: { regex: x(y), default: none } }
- post: /b
  json: ["\${a}", "\${b}", "\${c}", "\${d}"]`);
  expect(visit(journey, () => ({ json: { b: false, c: 0 } })).steps[1]!.body).toBe('[5,false,0,"none"]');
});

test.each([
  ["- get: /x/${body.id}", "value of ${body.id}"],
  ["- post: /x\n  json: { a: { b: ['${body.id}'] } }", "value of ${body.id}"],
  ["- get: /x\n  headers: { a: 'x${body.id}' }", "value of ${body.id}"],
  ["- get: /x\n  headers: { a: '${header.bad}' }", "header a"],
  ["- get: ${header.bad}", "path of GET {header.bad}"],
  ["- pick: { a: { from: body.id } }\n- get: /x", "pick a"],
  ["- pick: { a: { from: body.empty } }\n- get: /x", "pick a"],
  ["- for: { each: body.id, as: i, steps: [{ get: /x }] }", "for each body.id"],
  ["- repeat: { times: body.text, steps: [{ get: /x }] }", "repeat times body.text"],
])("no broken request is sent for want of a value: %s", async (steps, check) => {
  const journey = await journeyOf(`- get: /first\n${steps}`);
  const visited = visit(journey, () => ({
    json: { empty: [], text: "many" },
    headers: { bad: "a\r\nb: c" },
  }));
  expect(asked(visited.steps)).toEqual(["GET /first"]);
  expect(visited.checks).toEqual([[check, false]]);
});

test("a path may be an answer's Location, whole or not", async () => {
  const journey = await journeyOf(
    `- post: /orders\n  capture: { at: header.location }\n- get: \${at}/items?all=\${1 + 1}`,
  );
  for (const location of ["/orders/7", "http://127.0.0.1:1234/orders/7"]) {
    expect(visit(journey, () => ({ headers: { location } })).steps[1]!.path).toBe("/orders/7/items?all=2");
  }
});

test("if takes the branch that the answer decides, nested as deep as one likes", async () => {
  const journey = await journeyOf(`
- get: /a
- if: "\${status == 404}"
  then:
    - get: /missing
    - if: status != 404
      then: [{ get: /found-later }]
  else:
    - if: body.ok
      then: [{ get: /ok }]
      else: [{ get: /not-ok }, { end: true }]
- get: /last`);
  const paths = (first: Reply) =>
    visit(journey, ({ path }) => (path === "/a" ? first : { json: {} })).steps.map(({ path }) => path);
  expect(paths({ status: 404 })).toEqual(["/a", "/missing", "/found-later", "/last"]);
  expect(paths({ json: { ok: true } })).toEqual(["/a", "/ok", "/last"]);
  expect(paths({ json: { ok: false } })).toEqual(["/a", "/not-ok"]);
});

test("choose takes each branch by its weight", async () => {
  const journey = await journeyOf(`
- choose:
    - { weight: 70, steps: [{ get: /often }] }
    - { weight: 30, steps: [{ get: /seldom }, { end: true }] }
- get: /after`);
  let often = 0;
  for (let iteration = 0; iteration < 2_000; iteration++) {
    const paths = visit(journey, () => ({}), { iteration }).steps.map(({ path }) => path);
    if (paths[0] === "/often") often++;
    expect(paths).toEqual(paths[0] === "/often" ? ["/often", "/after"] : ["/seldom"]);
  }
  expect(often / 2_000).toBeCloseTo(0.7, 1);
});

test("loops count, go through lists, end early, and nest", async () => {
  const journey = await journeyOf(`
- get: /list
  capture: { ids: "$.ids[*]" }
- for:
    each: ids
    as: id
    limit: 2
    steps:
      - repeat: { times: 2, as: i, steps: [{ get: "/x/\${id}/\${i}" }] }
- set: { n: 0 }
- repeat:
    while: n < 3
    times: 10
    steps:
      - set: { n: "\${n + 1}" }
      - get: /while/\${n}
- repeat: { times: 0, steps: [{ get: /never }] }`);
  expect(visit(journey, () => ({ json: { ids: [7, 8, 9] } })).steps.map(({ path }) => path)).toEqual([
    ...["/list", "/x/7/0", "/x/7/1", "/x/8/0", "/x/8/1"],
    ...["/while/1", "/while/2", "/while/3"],
  ]);
});

test("repeat draws from a range, and both its ends come up", async () => {
  const journey = await journeyOf(`- repeat: { times: 1-3, steps: [{ get: /x }] }`);
  const lengths = new Set(
    Array.from({ length: 100 }, (_, iteration) => visit(journey, () => ({}), { iteration }).steps.length),
  );
  expect(lengths).toEqual(new Set([1, 2, 3]));
});

test("a loop that polls goes on until the answer says so", async () => {
  const journey = await journeyOf(`
- post: /jobs
- repeat: { while: status == 202, times: 50, steps: [{ get: /job }] }`);
  let asked = 0;
  expect(visit(journey, () => ({ status: ++asked < 5 ? 202 : 200 })).steps).toHaveLength(5);
});

test.each([
  "- repeat: { while: true, steps: [{ get: /x }] }",
  "- repeat: { while: true, steps: [{ set: { a: 1 } }] }",
])("an iteration without end is cut with an error that names its journey: %s", async (steps) => {
  const journey = await journeyOf(steps);
  expect(() => visit(journey, () => ({}))).toThrow(/journey "j" .*must come to an end/);
});

test("picks follow their order: first, last, sequential over uses and iterations, random, and Zipf", async () => {
  const journey = await journeyOf(`
- repeat:
    times: 3
    steps:
      - pick: { a: { from: [x, y, z], by: first }, b: { from: [x, y, z], by: last }, c: { from: [x, y, z], by: sequential } }
      - get: "/\${a}/\${b}/\${c}"
- pick: { d: { from: { range: [1, 100] }, by: zipf }, e: { from: { range: [1, 100] }, by: { zipf: 2 } }, f: { from: { range: [1, 100] } } }
- get: "/\${d}/\${e}/\${f}"`);
  const paths = (iteration: number) =>
    visit(journey, () => ({}), { iteration }).steps.map(({ path }) => path);
  expect(paths(0).slice(0, 3)).toEqual(["/x/z/x", "/x/z/y", "/x/z/z"]);
  expect(paths(1).slice(0, 3)).toEqual(["/x/z/y", "/x/z/z", "/x/z/x"]);
  const picked = Array.from({ length: 1_000 }, (_, n) => paths(n)[3]!.split("/").slice(1).map(Number));
  const ones = [0, 1, 2].map((column) => picked.filter((row) => row[column] === 1).length);
  expect(ones[0]).toBeGreaterThan(130); // 19 %
  expect(ones[1]).toBeGreaterThan(500); // 61 %
  expect(ones[2]).toBeLessThan(40); // 1 %
});

test("rows of CSV and JSONL keep their types: numbers as written, quoted cells and leading zeros as text", async () => {
  const folder = await folderWith({
    "users.csv": '\uFEFFid,zip,active,name,"quoted"\n7,0815,true, Ada ,"9"\n8,1.50,no,"Bo ""B""",x\n\n',
    "carts.jsonl": '{"n": 1}\n\n{"n": {"deep": [2]}}\n',
  });
  const more = `data:
  users: { file: users.csv, as: user }
  carts: { file: carts.jsonl, as: cart }
  inline: { rows: [{ a: 1 }, { a: 2 }] }`;
  const journey = await journeyOf(
    `- post: /x\n  json: ["\${user}", "\${cart}", "\${inline[1].a}", "\${length(users)}"]`,
    { folder, more },
  );
  const body = (iteration: number) =>
    JSON.parse(visit(journey, () => ({}), { iteration }).steps[0]!.body!) as unknown;
  expect(body(0)).toEqual([{ id: 7, zip: "0815", active: true, name: "Ada", quoted: "9" }, { n: 1 }, 2, 2]);
  expect(body(1)).toEqual([
    { id: 8, zip: "1.50", active: "no", name: 'Bo "B"', quoted: "x" },
    { n: { deep: [2] } },
    2,
    2,
  ]);
  expect(body(2)).toEqual(body(0));
});

test("each iteration gets its row in the order asked for; with zipf a few users are heavy", async () => {
  const rows = Array.from({ length: 50 }, (_, n) => `{ id: ${n} }`).join(", ");
  const rowsBy = async (by: string, at: { iteration: number; vu?: number }[]) => {
    const journey = await journeyOf("- get: /${u.id}", {
      more: `data: { us: { rows: [${rows}], as: u, by: ${by} } }`,
    });
    return at.map((where) => Number(visit(journey, () => ({}), where).steps[0]!.path.slice(1)));
  };
  const iterations = Array.from({ length: 2_000 }, (_, iteration) => ({ iteration }));
  expect(await rowsBy("sequential", iterations.slice(0, 52))).toEqual([...Array(50).keys(), 0, 1]);
  expect(
    await rowsBy("per-vu", [
      { iteration: 0, vu: 3 },
      { iteration: 9, vu: 3 },
      { iteration: 0, vu: 53 },
    ]),
  ).toEqual([3, 3, 3]);
  const zipf = await rowsBy("zipf", iterations);
  expect(zipf.filter((row) => row === 0).length / 2_000).toBeCloseTo(0.22, 1);
  expect(new Set(await rowsBy("random", iterations)).size).toBe(50);
});

test("seeds repeat, iterations differ, and data that a journey does not use changes nothing", async () => {
  const steps = `
- think: { median: 800ms }
- think: { mean: 1s }
- get: /\${random.uuid()}/\${random.int(1, 1000000)}`;
  const journey = await journeyOf(steps);
  const first = visit(journey, () => ({}), { seed: 7, iteration: 3 });
  expect(visit(journey, () => ({}), { seed: 7, iteration: 3 })).toEqual(first);
  expect(visit(journey, () => ({}), { seed: 8, iteration: 3 }).steps).not.toEqual(first.steps);
  expect(visit(journey, () => ({}), { seed: 7, iteration: 4 }).steps).not.toEqual(first.steps);
  const beside = await journeyOf(steps, { more: "data: { us: { rows: [1, 2], as: u, by: random } }" });
  expect(visit(beside, () => ({}), { seed: 7, iteration: 3 })).toEqual(first);
});

const PLANNED = `
- get: /products?page=\${random.int(1, 9)}
  capture: { ids: "$.ids[*]", next: header.link }
- pick: { product: { from: ids, by: zipf }, other: { from: ids }, last: { from: ids, by: last } }
- think: { median: 800ms }
- get: /products/\${product}?like=\${other}
  headers: { if-none-match: "\${next}" }
- if: status == 404
  then: [{ get: /never }]
  else: [{ get: "/\${last}" }]
- if: length(ids) > 0
  then: [{ get: /usual }]
- for: { each: ids, as: id, limit: 2, steps: [{ get: "/for/\${id}" }] }
- repeat: { while: "length(ids) > 5", steps: [{ get: /while }] }
- post: /orders
  json: { product: "\${product}", at: "\${iso_time(now())}", quantity: "\${random.int(1, 2)}" }`;

test("a plan depends on seed and draws only: what answers tell stands for itself", async () => {
  const journey = await journeyOf(PLANNED);
  const planned = visit(journey);
  const [list, product, ...others] = asked(planned.steps);
  expect(list).toMatch(/^GET \/products\?page=\d$/);
  expect(product).toMatch(/^GET \/products\/\{ids:[0-9a-f]{8}\}\?like=\{ids:[0-9a-f]{8}\}$/);
  expect(others).toEqual([
    "GET /{ids:last}",
    "GET /usual",
    "GET /for/{ids[0]}",
    "GET /for/{ids[1]}",
    "GET /while",
    "POST /orders",
  ]);
  expect(planned.steps[1]!.headers).toEqual({ "if-none-match": "{next}" });
  expect(planned.steps.at(-1)!.body).toMatch(
    /^\{"product":"\{ids:[0-9a-f]{8}\}","at":"\{iso_time\(now\)\}","quantity":[12]\}$/,
  );
  expect(planned.checks).toEqual([]);
  expect(visit(journey)).toEqual(planned);
  expect(visit(journey, undefined, { seed: 2 }).steps).not.toEqual(planned.steps);
});

test("a run with the usual answers draws as often as its plan, and thinks as long", async () => {
  const journey = await journeyOf(PLANNED);
  for (let iteration = 0; iteration < 20; iteration++) {
    const planned = visit(journey, undefined, { iteration });
    let whiles = 0;
    const real = visit(
      journey,
      ({ path }) => ({
        json: { ids: path === "/while" && ++whiles ? [] : [1, 2, 3] },
        headers: { link: "x" },
      }),
      { iteration },
    );
    expect(real.drawn).toBe(planned.drawn);
    expect(real.thoughtMs).toEqual(planned.thoughtMs);
    expect(real.steps[0]).toEqual(planned.steps[0]);
  }
});

test("a step may say what its answer usually holds, and the plan goes by it", async () => {
  const journey = await journeyOf(`
- get: /items
  planned: { ids: [4, 5] }
  capture: { ids: "$.ids[*]" }
- if: length(ids) == 2
  then: [{ get: "/\${ids[1]}" }]
  else: [{ get: /other }]`);
  expect(visit(journey).steps.map(({ path }) => path)).toEqual(["/items", "/5"]);
  expect(visit(journey, () => ({ json: { ids: [1] } })).steps.map(({ path }) => path)).toEqual([
    "/items",
    "/other",
  ]);
});

test("bodies are only kept where something reads them", async () => {
  const captures = async (steps: string) =>
    visit(await journeyOf(steps), () => ({ json: { a: 1 } })).steps.map(({ capture }) => capture ?? false);
  expect(await captures("- get: /a\n- get: /b\n  capture: { e: status }")).toEqual([false, false]);
  expect(await captures("- get: /a\n  check: { a: body.a == 1 }\n- get: /b")).toEqual([true, false]);
  expect(await captures("- get: /a\n  capture: { a: $.a }\n- get: /b/${a}")).toEqual([true, false]);
  expect(await captures("- get: /a\n- get: /b/${body.a}")).toEqual([true, true]);
});

test("seven mistakes are seven problems, each with its place and a way out", async () => {
  expect(
    await problemsOf(
      `
data:
  users: { file: nowhere.csv, as: user }
journeys:
  buyer:
    weight: 0
    steps: [{ get: /ok }]
  seller:
    steps:
      - gte: /products
      - get: products
      - get: /products/\${prodct}
        capture: { product: id }
      - thnik: 1s
      - pick: { one: { from: user, by: zipff } }
      - post: /x
        jsn: {}
        json: { who: "\${user.id +}" }
`,
      { folder: "/nonexistent" },
    ),
  ).toEqual([
    'data.users.file: "nowhere.csv" does not exist (looked for /nonexistent/nowhere.csv)',
    "journeys.buyer.weight: 0 must be a number above 0",
    expect.stringMatching(
      /^journeys\.seller\.steps\.0\.gte: unknown key \(did you mean get\?\); known here: get, post/,
    ),
    expect.stringMatching(/^journeys\.seller\.steps\.1\.get: "products" must be a path such as \/products/),
    expect.stringMatching(/^journeys\.seller\.steps\.2\.get: .*no variable "prodct" here \(character 13\)$/),
    expect.stringMatching(
      /^journeys\.seller\.steps\.2\.capture\.product: "id" must be a path such as \$\.items/,
    ),
    expect.stringMatching(/^journeys\.seller\.steps\.3\.thnik: unknown key \(did you mean think\?\)/),
    expect.stringMatching(/^journeys\.seller\.steps\.4\.pick\.one\.by: "zipff" must be random, zipf/),
    expect.stringMatching(/^journeys\.seller\.steps\.5\.jsn: unknown key \(did you mean json\?\)/),
    expect.stringMatching(
      /^journeys\.seller\.steps\.5\.json\.who: .*has "}" where a value must stand \(character 12\)$/,
    ),
  ]);
});

test.each([
  ["- get: /${later}\n- set: { later: 1 }", /no variable "later" here/],
  ["- get: /x\n  capture: { status: $.a }", /"status" must be a name of letters/],
  ["- get: /x\n  name: 'GET ${1}'", /must be a plain text: figures are kept for each name/],
  ["- get: http://other/x", /must be a path such as \/products; the server's address stands under target/],
  ["- get: /a b", /percent-encode/],
  ["- get: /x\n  json: {}", /a GET request has no body/],
  ["- post: /x\n  json: {}\n  body: x", /must not stand beside json/],
  ["- get: /x\n  post: /y", /two steps in one, get and post/],
  ["- get: /x\n  check: { status: 20 }", /20 must be a status such as 200/],
  ["- get: /x\n  check: { a: '${1} ${2}' }", /must be one expression/],
  ["- get: /x\n  headers: { 'a b': 1 }", /"a b" must be the name of a header/],
  ["- get: /x\n  capture: { a: { regex: '(' } }", /is no regular expression/],
  ["- get: /x\n  capture: { a: { regex: 'a(b)', group: 2 } }", /2 is no group/],
  ["- think: 5", /5 must be a duration such as 1s/],
  ["- think: 5 seconds", /5 seconds.*must be a duration/],
  ["- think: { median: 1s, sigma: -1 }", /-1 must be a number from 0 to 5/],
  ["- think: { min: 2s, max: 1s }", /min that is not above its max/],
  ["- sleep: 5", /unknown key \(did you mean think\?\)/],
  ["- loop: []", /did you mean repeat\?/],
  ["- repeat: { steps: [{ get: /x }] }", /must have times: or while:/],
  ["- repeat: { times: 3-1, steps: [{ get: /x }] }", /from the smaller number/],
  ["- repeat: { times: 3, steps: [] }", /must be a list of at least one step/],
  ["- for: { each: 3, as: i, steps: [{ get: /x }] }", /must be the name of a list/],
  ["- choose: []", /at least one branch/],
  ["- choose: [{ weight: 0, steps: [{ get: /x }] }]", /0 must be a number above 0/],
  ["- if: status == 200", /then: is missing; it must be a list of at least one step/],
  ["- pick: { a: { by: zipf } }", /from: \(nothing\) must be the name of a list/],
  ["- repeat: { times: 2 }", /steps: is missing; it must be a list/],
  ["- pick: { a: { from: 3 } }", /must be the name of a list/],
  ["- pick: { a: { from: { range: [9, 1] } } }", /two whole numbers, the smaller first/],
  ["- end: false", /false must be true/],
  ["- 5", /5 must be a step/],
  ["- get: /${env.NOPE}", /env\.NOPE is not set/],
])("says what is wrong with %s", async (steps, message) => {
  await expect(journeyOf(steps)).rejects.toThrow(message);
});

test.each([
  ["journeys: 5", /journeys: 5 must be a map/],
  ["journeys: { a: 5 }", /journeys\.a: 5 must be a map with steps:/],
  ["journeys: { a: { flow: [] } }", /unknown key \(did you mean steps\?\)/],
  ["journeys: { a: {} }", /a\.steps: is missing/],
  ["data: []", /data: \[\] must be a map/],
  ["data: { a: { file: x.txt } }", /must end in \.csv/],
  ["data: { a: {} }", /either file: or rows:/],
  ["data: { a: { rows: [] } }", /has no rows/],
  ["data: { a: { rows: [1], by: zipf } }", /needs "as:"/],
  ["data: { a: { rows: [1], as: env } }", /"env" must be a name/],
])("says what is wrong with %s", async (yaml, message) => {
  expect((await problemsOf(yaml)).join("\n")).toMatch(message);
});

test("broken data files are named with the line", async () => {
  const folder = await folderWith({ "a.csv": "id,name\n1,2,3\n", "b.jsonl": '{"a":1}\n{oops\n' });
  const problems = await problemsOf("data: { a: { file: a.csv }, b: { file: b.jsonl } }", { folder });
  expect(problems[0]).toMatch(/data\.a\.file: "a\.csv" .*line 2/);
  expect(problems[1]).toMatch(/data\.b\.file: "b\.jsonl" is not JSON in line 2/);
});

test("journeys of TypeScript stand beside those of YAML, by their name in the file and with a weight of their own", async () => {
  const folder = await folderWith({
    "one.mjs":
      "export default { name: 'x', weight: 2, *steps() { yield { method: 'GET', path: '/one' }; } };",
    "many.mjs":
      "const steps = function* () {}; export default [{ name: 'a', weight: 2, steps }, { name: 'b', weight: 3, steps }];",
  });
  const { journeys, problems } = await compileYaml(
    `journeys:
  one: { file: one.mjs, weight: 7 }
  b: { file: many.mjs }
  other: { file: many.mjs, journey: a }
  wrong: { file: many.mjs }
  gone: { file: gone.ts }`,
    { folder },
  );
  expect([...journeys.values()].map(({ name, weight }) => [name, weight])).toEqual([
    ["one", 7],
    ["b", 3],
    ["other", 2],
  ]);
  expect(asked(visit(journeys.get("one")!, () => ({})).steps)).toEqual(["GET /one"]);
  expect(problems.map(({ path, message }) => `${path.join(".")}: ${message}`)).toEqual([
    'journeys.wrong.file: "many.mjs" has no journey "wrong", only "a", "b"; name one of them with journey:',
    expect.stringMatching(/^journeys\.gone\.file: journey file ".*gone\.ts" does not exist/),
  ]);
});
