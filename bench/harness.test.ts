import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { cpuSecondsOf, markdownTable, median, percentile, spread } from "./harness.ts";

test("the median of an even count is the mean of the two in the middle, whatever their order", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([10, 1, 3, 2])).toBe(2.5);
});

test("a figure is printed as its median with the least and the greatest", () => {
  expect(spread([41_642, 38_055, 49_969])).toBe("41,642 (38,055-49,969)");
  expect(spread([1, 2, 4], 2)).toBe("2.00 (1.00-4.00)");
  expect(spread([])).toBe("-");
});

test("a percentile is one of the values, by nearest rank", () => {
  const values = Array.from({ length: 200 }, (_, n) => n + 1);
  expect(percentile(values, 50)).toBe(100);
  expect(percentile(values, 99)).toBe(198);
  expect(percentile(values, 100)).toBe(200);
  expect(percentile([7], 0)).toBe(7);
});

test("a table is Markdown", () => {
  expect(markdownTable(["a", "b"], [["1", "2"]])).toBe("| a | b |\n| --- | --- |\n| 1 | 2 |");
});

test.skipIf(process.platform !== "linux")("the CPU time of a process grows with its work", () => {
  const before = cpuSecondsOf(process.pid)!;
  while (process.cpuUsage().user / 1e6 < before + 0.1) median([3, 1, 2]);
  expect(cpuSecondsOf(process.pid)!).toBeGreaterThan(before);
  expect(cpuSecondsOf(undefined)).toBeUndefined();
});

test.each(["api", "consumer", "delay", "store"])(
  "%s names every wrong option at once, before it starts anything",
  (name) => {
    const { status, stderr } = spawnSync(process.execPath, [`bench/${name}.ts`, "--repeats=0", "--seed=x"], {
      encoding: "utf8",
    });
    expect(status).toBe(104);
    expect(stderr).toMatch(/--repeats=0 must be a whole number from 1 to 20/);
    expect(stderr).toMatch(/--seed=x must be a whole number/);
  },
);

test("a part that a benchmark has not is refused with those it has", () => {
  const { status, stderr } = spawnSync(process.execPath, ["bench/store.ts", "--only=none,some"], {
    encoding: "utf8",
  });
  expect(status).toBe(104);
  expect(stderr).toMatch(/--only=none,some must be some of none,level,/);
});
