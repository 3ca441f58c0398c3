import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

const EXAMPLES = resolve(import.meta.dirname, "../../examples/journeys");

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rushhour-import-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs a program under Node itself, which strips the types, not under the test runner. @returns what it prints, as JSON */
async function inNode(program: string): Promise<unknown> {
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program]);
  return JSON.parse(stdout);
}

/** For each file the names of its journeys, or what is wrong with it. */
function imported(files: readonly string[]): Promise<unknown> {
  return inNode(`
    const { importJourneys } = await import(${JSON.stringify(join(import.meta.dirname, "import.ts"))});
    const results = [];
    for (const file of ${JSON.stringify(files)}) {
      results.push(await importJourneys(file).then(
        (journeys) => journeys.map(({ name, weight }) => [name, weight]),
        (error) => error.code + ": " + error.message,
      ));
    }
    console.log(JSON.stringify(results));
  `);
}

test("a file exports one journey or a list of them, in TypeScript or JavaScript, wherever it lies", async () => {
  const one = `import { get, type Journey } from "rushhour";
    const journey: Journey = { name: "one", weight: 1, *steps() { yield get("/"); } };
    export default journey;`;
  await writeFile(join(folder, "one.ts"), one);
  await writeFile(
    join(folder, "plain.mjs"),
    `export default [{ name: "a", weight: 2, steps: function* () {} }];`,
  );
  const files = [join(folder, "one.ts"), join(folder, "plain.mjs"), join(EXAMPLES, "staff.ts")];
  expect(await imported(files)).toEqual([
    [["one", 1]],
    [["a", 2]],
    [
      ["warehouse", 1],
      ["clerk", 2],
    ],
  ]);
});

test("what is wrong with a file is said with its name, the rule and the place", async () => {
  const files: [name: string, text: string, message: RegExp][] = [
    ["none.ts", "export const journey = 1;", /has no default export/],
    ["empty.ts", "export default [];", /must hold at least one journey/],
    ["number.ts", "export default 7;", /default export\.0 must be a journey/],
    [
      "shape.ts",
      'export default [{ name: "", weight: 0, steps: [] }];',
      /0\.name must not be empty; .*0\.weight must be a number above 0; .*0\.steps must be a generator function/,
    ],
    ["syntax.ts", "export default {{;", /syntax\.ts" cannot be loaded: /],
    [
      "plain-syntax.mjs",
      "const a = 1;\nexport default {{;",
      /cannot be loaded: Unexpected token .*; node --check ".*plain-syntax\.mjs" shows where/,
    ],
    ["enum.ts", "enum A { B }\nexport default A;", /cannot be loaded: .*enum/],
    ["throws.ts", 'throw new Error("no luck");', /cannot be loaded: no luck/],
    ["missing-import.ts", 'import "./nowhere.ts"; export default 1;', /cannot be loaded: .*nowhere\.ts/],
    ["misnamed.ts", 'import { gett } from "rushhour"; export default gett;', /cannot be loaded: .*gett/],
    ["data.json", "{}", /must end in \.ts/],
  ];
  for (const [name, text] of files) await writeFile(join(folder, name), text);
  const results = (await imported([
    ...files.map(([name]) => join(folder, name)),
    join(folder, "gone.ts"),
    `${folder}.ts`,
  ])) as string[];
  for (const [index, [name, , message]] of files.entries()) {
    expect(results[index]).toContain(`CONFIG_INVALID: journey file "${join(folder, name)}"`);
    expect(results[index], name).toMatch(message);
  }
  for (const result of results.slice(files.length)) expect(result).toMatch(/does not exist/);
});

test("the TypeScript of the reference is a journey, and its YAML finds the examples", async () => {
  const docs = readFileSync(resolve(import.meta.dirname, "../../docs/journeys.md"), "utf8");
  await writeFile(join(folder, "docs.ts"), /^```ts\n(.*?)^```/ms.exec(docs)![1]!);
  expect(await imported([join(folder, "docs.ts")])).toEqual([[["search", 1]]]);
  const yaml = [...docs.matchAll(/^```yaml\n(.*?)^```/gms)].find(([, block]) => block!.includes(".ts"))![1]!;
  const compiled = await inNode(`
    const { compileYaml } = await import(${JSON.stringify(join(import.meta.dirname, "yaml/testing.ts"))});
    const { journeys, problems } = await compileYaml(${JSON.stringify(yaml)}, { folder: ${JSON.stringify(EXAMPLES)} });
    console.log(JSON.stringify([[...journeys.values()].map(({ name, weight }) => [name, weight]), problems]));
  `);
  expect(compiled).toEqual([
    [
      ["search", 1],
      ["clerk", 2],
    ],
    [],
  ]);
});

test("the examples send their requests, and a server gets what it needs to answer them all", async () => {
  const asked: string[] = [];
  const placed: unknown[] = [];
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, "http://shop");
    asked.push(`${request.method!} ${pathname}`);
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const answer = (status: number, json: unknown) => response.writeHead(status).end(JSON.stringify(json));
      if (request.method === "POST") return answer(201, { order_id: placed.push(JSON.parse(body)) });
      if (pathname !== "/products") return answer(200, {});
      const offset = Number(searchParams.get("offset"));
      return answer(200, { products: Array.from({ length: 20 }, (_, n) => ({ id: offset + n + 1 })) });
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const failed = await inNode(`
    import { readFileSync } from "node:fs";
    import yaml from "yaml";
    const { compileJourneys } = await import(${JSON.stringify(join(import.meta.dirname, "yaml/compile.ts"))});
    const { stream } = await import(${JSON.stringify(resolve(import.meta.dirname, "../../contract/random.ts"))});
    const { journeys: definitions, data } = yaml.parse(readFileSync(${JSON.stringify(join(EXAMPLES, "shop.yaml"))}, "utf8"));
    const { Problems } = await import(${JSON.stringify(resolve(import.meta.dirname, "../scenario/problems.ts"))});
    const problems = new Problems();
    const journeys = await compileJourneys(definitions, data, { folder: ${JSON.stringify(EXAMPLES)}, env: {} }, problems);
    const failed = problems.list.map(({ message }) => message);
    for (const journey of journeys.values()) {
      for (let iteration = 0; iteration < 20; iteration++) {
        const steps = journey.steps({
          rng: stream(1, journey.name + iteration), iteration, vu: iteration, planning: false, think() {},
          check: (name, passed) => void (passed || failed.push(name)),
        });
        for (let next = steps.next(); !next.done; ) {
          const { method, path, headers, body } = next.value;
          const response = await fetch(${JSON.stringify(url)} + path, { method, headers, body });
          const text = await response.text();
          next = steps.next({ status: response.status, header: (name) => response.headers.get(name) ?? undefined, text: () => text, json: () => JSON.parse(text) });
        }
      }
    }
    console.log(JSON.stringify(failed));
  `);
  server.closeAllConnections();
  server.close();
  expect(failed).toEqual([]);
  expect(asked.filter((line) => /^GET \/products\/\d+$/.test(line)).length).toBeGreaterThan(40);
  expect(asked.filter((line) => /^GET \/orders\/\d+$/.test(line)).length).toBeGreaterThan(20);
  expect(placed.length).toBeGreaterThan(20);
  for (const order of placed) {
    expect(order).toEqual({
      user_id: expect.any(Number) as number,
      items: [{ product_id: expect.any(Number) as number, quantity: expect.any(Number) as number }],
    });
  }
});
