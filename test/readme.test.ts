import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { connect } from "../init_db/database.ts";
import { storeRequests, traffic } from "./fill.ts";
import { openTestDatabase, runCli } from "./harness.ts";

const readme = readFileSync("README.md", "utf8");
const fences = (language: string) =>
  [...readme.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, "g"))].map(([, text]) => text!);

test("the five queries of the README run as the reader and answer", async () => {
  const database = await openTestDatabase();
  await storeRequests(database, traffic(Date.now(), 500));
  const reader = await connect(database.readerUrl);
  const queries = fences("sql")[0]!
    .split(";")
    .filter((query) => query.includes("SELECT"));
  expect(queries).toHaveLength(5);
  for (const query of queries) {
    const [rows] = await reader.query(query);
    expect(rows, query).not.toHaveLength(0);
  }
  await reader.end();
});

test("the program in the README is the example, to the letter", () => {
  expect(fences("js")[0]).toBe(readFileSync("examples/own-api/app.js", "utf8"));
});

test("every command in the README's table exists, and none is left out", async () => {
  const help = await runCli(["--help"]);
  const listed = readme.slice(readme.indexOf("## Commands"), readme.indexOf("## Your own API"));
  const commands = [...help.stdout.matchAll(/^ {2}(\w+)(?: \[options\])?/gm)]
    .map(([, name]) => name!)
    .filter((name) => name !== "help");
  expect(commands.length).toBeGreaterThan(10);
  for (const name of commands.filter((name) => name !== "rushhour"))
    expect(listed, name).toMatch(new RegExp(`\`${name}\\b`));
});
