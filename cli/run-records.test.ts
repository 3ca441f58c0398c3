import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { aRunRecord } from "../simulator/report/testing.ts";
import { loadRun, localRunIds, runRecordPath } from "./run-records.ts";

const IDS = [
  "0192f0c1-7d3a-7cc0-8a51-000000000001",
  "0192f0c1-7d3a-7cc0-8a51-000000000002",
  "0192f0c2-0000-7cc0-8a51-000000000003",
] as const;

let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "rushhour-runs-"));
  onTestFinished(() => rmSync(home, { recursive: true }));
  mkdirSync(join(home, "runs"));
});

function keepAll(): void {
  for (const run_id of IDS) {
    writeFileSync(
      runRecordPath(home, run_id),
      JSON.stringify(aRunRecord({ points: 2, rate: 5 }, { run_id })),
    );
  }
}

const idOf = async (wanted: string) => (await loadRun(wanted, { RUSHHOUR_HOME: home })).run_id;

describe("a run is found", () => {
  test.each([
    ["its id", IDS[0], IDS[0]],
    ["the beginning of its id", "0192f0c2", IDS[2]],
    ["latest", "latest", IDS[2]],
    ["latest~0", "latest~0", IDS[2]],
    ["latest~2", "latest~2", IDS[0]],
  ])("by %s", async (_how, wanted, id) => {
    keepAll();
    expect(await idOf(wanted)).toBe(id);
  });

  test("by the path of its record, wherever it lies", async () => {
    const path = join(home, "copy.json");
    writeFileSync(path, JSON.stringify(aRunRecord({ points: 2, rate: 5 }, { run_id: "elsewhere" })));
    expect(await idOf(path)).toBe("elsewhere");
  });

  test("by its whole id though that of another begins with it", async () => {
    for (const run_id of ["run", "run-2"]) {
      writeFileSync(
        runRecordPath(home, run_id),
        JSON.stringify(aRunRecord({ points: 2, rate: 5 }, { run_id })),
      );
    }
    expect(await idOf("run")).toBe("run");
  });
});

describe("otherwise it is said why not, with exit code 104", () => {
  const refused = async (wanted: string, reason: RegExp) => {
    await expect(loadRun(wanted, { RUSHHOUR_HOME: home })).rejects.toMatchObject({
      ...{ code: "RUN_UNKNOWN", exitCode: 104, message: expect.stringMatching(reason) as string },
    });
  };

  test("several begin so", async () => {
    keepAll();
    await refused(
      "0192f0c1",
      /several runs begin with "0192f0c1"; give more of the id:\n {2}0192f0c1.*2\n {2}0192f0c1.*1$/,
    );
  });

  test("none is there", async () => {
    await refused("latest", /there is no run yet in .*: make one with/);
    await refused("0192f0c9", /run "0192f0c9" is not in .*, and there is no database to look it up in/);
  });

  test("latest goes back too far", async () => {
    keepAll();
    await refused("latest~3", /latest~3 goes back too far: .* holds 3 runs/);
  });

  test.each(["latest~", "a b", "", "%", "x".repeat(65)])("%j is no run", async (wanted) => {
    keepAll();
    await refused(wanted, /is no run: give an id or its beginning, latest, latest~1 or the path of a record/);
  });

  test("the file is not there, no JSON, or something else", async () => {
    await refused(join(home, "nothing.json"), /no run can be read from .*ENOENT/);
    const path = join(home, "other.json");
    writeFileSync(path, "{");
    await refused(path, /other\.json is not the record of a run: .*JSON/);
    writeFileSync(path, JSON.stringify({ name: "package", v: 1 }));
    await refused(path, /other\.json is not the record of a run:\n.*run_id/s);
  });
});

test("tallies and other files beside the records are no runs", () => {
  keepAll();
  for (const name of [`${IDS[0]}.tally`, "notes.txt", "a b.json"])
    writeFileSync(join(home, "runs", name), "");
  expect(localRunIds(home)).toEqual(IDS.toReversed());
});
