import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { RushhourError } from "../../contract/errors.ts";
import { answeredLine, createTally, readTally, tallyPath, unansweredLine } from "./tally.ts";

const header = { run_id: "run-1", seed: 7, target: "http://x", started_at: "2026-01-01T00:00:00.000Z" };
const ended_at = "2026-01-01T00:01:00.000Z";

function temporaryHome(): string {
  const home = mkdtempSync(join(tmpdir(), "rushhour-tally-"));
  onTestFinished(() => rmSync(home, { recursive: true }));
  return home;
}

async function collect(ids: AsyncIterable<string>): Promise<string[]> {
  const collected: string[] = [];
  for await (const id of ids) collected.push(id);
  return collected;
}

async function writeRun(path: string) {
  const tally = createTally(path, header);
  tally.lines(answeredLine("id-1") + unansweredLine("ECONNRESET"));
  tally.lines("");
  tally.lines(answeredLine(undefined) + answeredLine("id-2"));
  const counts = { offered: 5, sent: 4, unsent: 1, answered: 3, answered_without_id: 1, unanswered: 1 };
  await tally.close({ ...counts, ended_at });
  return counts;
}

test("what was written is read: header, counts, reasons and ids in order", async () => {
  const path = tallyPath(temporaryHome(), "run-1");
  const counts = await writeRun(path);
  const tally = await readTally(path);
  expect(tally).toMatchObject({ header, counts, ended_at, reasons: { ECONNRESET: 1 } });
  expect(await collect(tally.ids())).toEqual(["id-1", "id-2"]);
  expect(await collect(tally.ids())).toEqual(["id-1", "id-2"]); // each call reads anew
});

test("a reason of several lines stays one line", () => {
  expect(unansweredLine("socket\nhang\r\n up")).toBe("- socket hang up\n");
});

test("any number of ids survives the round trip, across every buffer border", async () => {
  const home = temporaryHome();
  const many = fc.integer({ min: 0, max: 6_000 });
  await fc.assert(
    fc.asyncProperty(many, fc.uuid(), async (count, run_id) => {
      const ids = Array.from({ length: count }, (_, n) => `${run_id}-${n}`);
      const tally = createTally(tallyPath(home, run_id), { ...header, run_id });
      for (const id of ids) tally.lines(answeredLine(id));
      const counts = { offered: count, sent: count, unsent: 0, answered: count, unanswered: 0 };
      await tally.close({ ...counts, answered_without_id: 0, ended_at });
      expect(await collect((await readTally(tallyPath(home, run_id))).ids())).toEqual(ids);
    }),
    { numRuns: 20 },
  );
});

test("without a footer the lines are counted, and a torn last line is left out", async () => {
  const path = tallyPath(temporaryHome(), "run-1");
  await writeRun(path);
  const text = readFileSync(path, "utf8");
  truncateSync(path, text.indexOf("id-2") + 2); // "id", torn
  const tally = await readTally(path);
  expect(tally.ended_at).toBeUndefined();
  expect(tally.counts).toEqual({
    offered: 3,
    sent: 3,
    unsent: 0,
    answered: 2,
    answered_without_id: 1,
    unanswered: 1,
  });
  expect(await collect(tally.ids())).toEqual(["id-1"]);
});

test("closed without a footer it has every line, and does not claim to be complete", async () => {
  const path = tallyPath(temporaryHome(), "run-1");
  const writer = createTally(path, header);
  writer.lines(answeredLine("id-1") + unansweredLine("ECONNRESET"));
  await writer.close();
  const tally = await readTally(path);
  expect(tally.ended_at).toBeUndefined();
  expect(tally.counts).toMatchObject({ sent: 2, answered: 1, unanswered: 1 });
});

test("an id that cannot be one counts as an answer without id", async () => {
  const path = tallyPath(temporaryHome(), "run-1");
  const tally = createTally(path, header);
  for (const odd of ["", "- ECONNRESET", "{}", "two words", "+", "x".repeat(200)])
    tally.lines(answeredLine(odd));
  await tally.close({
    offered: 6,
    sent: 6,
    unsent: 0,
    answered: 6,
    answered_without_id: 6,
    unanswered: 0,
    ended_at,
  });
  const lines = readFileSync(path, "utf8").split("\n").slice(1, -2);
  expect(lines).toEqual(Array.from({ length: 6 }, () => "+"));
});

test.each([
  ["no file", undefined],
  ["an empty file", ""],
  ["another file", "hello\n"],
  ["a torn header", '{"run_id":'],
])("%s is an unknown run", async (_, content) => {
  const path = join(temporaryHome(), "some.tally");
  if (content !== undefined) writeFileSync(path, content);
  await expect(readTally(path)).rejects.toMatchObject({ code: "RUN_UNKNOWN" });
});

test.skipIf(process.platform !== "linux")("a full disk fails the tally with a clear error", async () => {
  const tally = createTally("/dev/full", header);
  tally.lines(answeredLine("id-1"));
  await expect(tally.failed).rejects.toThrow(/\/dev\/full cannot be written.*ENOSPC.*free some space/);
  await expect(tally.failed).rejects.toMatchObject({ code: "DISK_FULL" });
});

test("a folder that is a file is refused at once", () => {
  const home = temporaryHome();
  appendFileSync(join(home, "runs"), "in the way");
  expect(() => createTally(tallyPath(home, "run-1"), header)).toThrow(RushhourError);
});
