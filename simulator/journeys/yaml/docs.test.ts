import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { FUNCTIONS } from "./functions.ts";
import { compileYaml, visit } from "./testing.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const docs = readFileSync(resolve(ROOT, "docs/journeys.md"), "utf8");
/** But for those that load TypeScript: import.test.ts does that under Node itself. */
const blocks = [...docs.matchAll(/^```yaml\n(.*?)^```/gms)]
  .map(([, yaml]) => yaml!)
  .filter((yaml) => !/file: \S+\.ts/.test(yaml));

test.each(blocks)("a journey of the reference compiles and can be planned: %#", async (yaml) => {
  const { journeys, problems } = await compileYaml(yaml, {
    folder: resolve(ROOT, "examples/journeys"),
    env: { TOKEN: "secret" },
  });
  expect(problems).toEqual([]);
  expect(journeys.size).toBeGreaterThan(0);
  for (const journey of journeys.values()) expect(visit(journey).steps.length).toBeGreaterThan(0);
});

test("the reference has examples, and names every function", () => {
  expect(blocks.length).toBeGreaterThan(5);
  for (const name of FUNCTIONS.keys()) expect(docs).toContain(`\`${name}`);
});
