import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { followFile, type FilePosition, type Follower } from "./follow.ts";
import { savedPositions } from "./positions.ts";

function openLog(content = "") {
  const folder = mkdtempSync(join(tmpdir(), "rushhour-tail-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "access.log");
  writeFileSync(path, content);
  return { folder, path };
}

async function follow(path: string, positions: readonly FilePosition[] = [], fromStart = false) {
  const follower = await followFile(path, { positions, fromStart });
  onTestFinished(() => follower.close());
  return follower;
}

/** Until there is nothing new twice: after the first time a rotated file's successor is opened. */
async function readAll(follower: Follower): Promise<string[]> {
  const texts: string[] = [];
  for (let empty = 0; empty < 2;) {
    const lines = await follower.read();
    texts.push(...lines.map(({ text }) => text));
    empty = lines.length > 0 ? 0 : empty + 1;
  }
  return texts;
}

test("follows from the end, or from the start, and takes a line once it is complete", async () => {
  const { path } = openLog("old 1\nold 2\n");
  const [fromEnd, fromStart] = [await follow(path), await follow(path, [], true)];
  appendFileSync(path, "new 1\nnew");
  expect(await readAll(fromEnd)).toEqual(["new 1"]);
  expect(await readAll(fromStart)).toEqual(["old 1", "old 2", "new 1"]);
  appendFileSync(path, " 2\nnew 3");
  expect(await readAll(fromEnd)).toEqual(["new 2"]);
});

test("begins behind a line that was half written", async () => {
  const { path } = openLog("old 1\nhal");
  const follower = await follow(path);
  appendFileSync(path, "f\nnew\n");
  expect(await readAll(follower)).toEqual(["new"]);
});

test("renamed, a file is read to its end, and on while somebody writes to it; then the next", async () => {
  const { path } = openLog("1\n");
  const follower = await follow(path, [], true);
  expect(await readAll(follower)).toEqual(["1"]);
  appendFileSync(path, "2\n");
  renameSync(path, `${path}.1`);
  expect(await readAll(follower)).toEqual(["2"]); // no successor yet
  writeFileSync(path, "4\n");
  appendFileSync(`${path}.1`, "3\n");
  expect(await readAll(follower)).toEqual(["3", "4"]);
  expect(follower.positions()).toHaveLength(2);
});

test("truncated, it is read from its start, also when it has grown beyond where it was", async () => {
  const { path } = openLog("10:00 a\n10:01 b\n");
  const follower = await follow(path, [], true);
  expect(await readAll(follower)).toHaveLength(2);
  copyFileSync(path, `${path}.1`);
  truncateSync(path);
  appendFileSync(path, "10:02 c\n");
  expect(await readAll(follower)).toEqual(["10:02 c"]);
  truncateSync(path);
  appendFileSync(path, `10:03 d\n${"10:04 e\n".repeat(10)}`);
  expect(await readAll(follower)).toHaveLength(11);
});

test("goes on where it stopped, through a rotation while nobody read", async () => {
  const { path } = openLog("1\n2\n");
  const first = await follow(path, [], true);
  await readAll(first);
  const positions = first.positions();
  appendFileSync(path, "3\n");
  renameSync(path, `${path}.1`);
  writeFileSync(path, "4\n");
  const second = await follow(path, positions);
  expect(second.missing).toBe(0);
  expect(await readAll(second)).toEqual(["3", "4"]);
  unlinkSync(`${path}.1`);
  const third = await follow(path, second.positions());
  expect(third.missing).toBe(1);
  expect(await readAll(third)).toEqual([]);
});

test("lines keep their place and the head of their file, whoever reads them", async () => {
  const { path } = openLog("one\ntwö\nthree\n");
  const lines = await (await follow(path, [], true)).read();
  expect(lines.map(({ offset }) => offset)).toEqual([0, 4, 9]);
  renameSync(path, `${path}.1`);
  appendFileSync(`${path}.1`, "four\n");
  expect((await (await follow(`${path}.1`, [], true)).read()).slice(0, 3)).toEqual(lines);
});

test("what is no line, however long, is passed over", async () => {
  const { path } = openLog(`${"x".repeat(1_000_000)}\nnext\n`);
  expect(await readAll(await follow(path, [], true))).toEqual(["next"]);
});

test("positions are saved whole, and what does not hold them is refused", async () => {
  const { folder, path } = openLog("1\n");
  const saved = savedPositions(folder, path);
  expect(saved.load()).toEqual([]);
  const follower = await follow(path, [], true);
  await readAll(follower);
  saved.save(follower.positions());
  expect(savedPositions(folder, path).load()).toEqual(follower.positions());
  expect(savedPositions(folder, `${path}.1`).load()).toEqual([]);
  saved.save([{ offset: -1 } as FilePosition]);
  expect(() => saved.load()).toThrow("does not say how far");
});
