import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Frame } from "./frames.ts";
import { createSpool, segmentsOf, type ReadSegment } from "./spool.ts";

function openFolder() {
  const folder = mkdtempSync(join(tmpdir(), "rushhour-spool-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const damagedFolder = join(folder, "damaged");
  const open = (capBytes = 2 ** 30) => {
    const spool = createSpool(folder, { damagedFolder, capBytes, fsync: "never" });
    onTestFinished(() => spool.close());
    return spool;
  };
  return { folder, damagedFolder, open };
}

const frame = (value: string): Frame => ({ topic: "info-logs", value, isNumbered: true });
const some = (count: number, prefix = "r") => Array.from({ length: count }, (_, n) => frame(`${prefix}${n}`));
const valuesOf = (read: ReadSegment | undefined) => read?.frames.map(({ value }) => value);

describe("records that are not held in memory", () => {
  test("are read in their order, and gone once they are delivered", async () => {
    const { folder, open } = openFolder();
    const spool = open();
    await spool.append(some(3), false);
    await spool.append(some(2, "s"), false);
    const read = (await spool.read())!;
    expect(valuesOf(read)).toEqual(["r0", "r1", "r2", "s0", "s1"]);
    expect(read.damage).toBeUndefined();
    await spool.append(some(1, "t"), false); // goes on while those are sent
    spool.done(read);
    const next = (await spool.read())!;
    expect(valuesOf(next)).toEqual(["t0"]);
    spool.done(next);
    expect(await spool.read()).toBeUndefined();
    expect(segmentsOf(folder)).toEqual([]);
    expect(spool.fill()).toBe(0);
    expect(spool.backlogBytes()).toBe(0);
  });

  test("appended in one turn go together, and many make more than one segment", async () => {
    const { folder, open } = openFolder();
    const spool = open();
    const large = "x".repeat(1_000_000);
    const segments = await Promise.all(Array.from({ length: 20 }, () => spool.append([frame(large)], false)));
    expect(new Set(segments).size).toBe(1);
    for (let n = 0; n < 9; n++) await spool.append([frame(large)], false);
    expect(segmentsOf(folder).length).toBe(3);
    expect(spool.backlogBytes()).toBe(segmentsOf(folder).reduce((sum, path) => sum + statSync(path).size, 0));
    expect(spool.fill()).toBeCloseTo(spool.backlogBytes() / 2 ** 30);
  });
});

describe("records that are held in memory too", () => {
  test("are read only once nobody holds them, and their segment goes when all of it was delivered", async () => {
    const { folder, open } = openFolder();
    const spool = open();
    const segment = await spool.append(some(4), true);
    expect(await spool.read()).toBeUndefined();
    spool.delivered(segment, 3);
    expect(await spool.read()).toBeUndefined();
    expect(spool.backlogBytes()).toBe(0);
    spool.leave(segment, 1);
    const read = (await spool.read())!;
    expect(valuesOf(read)).toEqual(["r0", "r1", "r2", "r3"]);
    expect(segment).toMatchObject({ numbered: 4, delivered: 3, left: 1 });
    spool.done(read);
    const second = await spool.append(some(2), true);
    spool.delivered(second, 2);
    await spool.close();
    expect(segmentsOf(folder)).toEqual([]);
  });

  test("that nobody delivered stay on disk for the next one", async () => {
    const { folder, open } = openFolder();
    const spool = open();
    await spool.append(some(4), true);
    await spool.close();
    expect(segmentsOf(folder)).toHaveLength(1);
    await expect(spool.append(some(1), true)).rejects.toThrow("closed");
  });
});

describe("what others left", () => {
  async function left(folder: string, values: readonly string[]): Promise<string> {
    const spool = createSpool(folder, { damagedFolder: folder, capBytes: 2 ** 30, fsync: "always" });
    await spool.append(values.map(frame), false);
    await spool.close();
    return segmentsOf(folder)[0]!;
  }

  test("is taken over, and a torn tail is left out in silence", async () => {
    const { open } = openFolder();
    const other = openFolder().folder;
    const path = await left(other, ["a", "b", "c"]);
    truncateSync(path, statSync(path).size - 1);
    const spool = open();
    spool.adopt(other);
    expect(spool.backlogBytes()).toBe(statSync(path).size);
    const read = (await spool.read())!;
    expect(valuesOf(read)).toEqual(["a", "b"]);
    expect(read.damage).toBeUndefined();
    spool.done(read);
    expect(readdirSync(other)).toEqual([]);
  });

  test("where it is damaged, what can be read is delivered and the file is set aside", async () => {
    const { damagedFolder, open } = openFolder();
    const other = openFolder().folder;
    const path = await left(other, ["a", "b", "c"]);
    const bytes = readFileSync(path);
    bytes[Math.floor(bytes.length / 2)]! ^= 1;
    writeFileSync(path, bytes);
    const spool = open();
    spool.adopt(other);
    const read = (await spool.read())!;
    expect(valuesOf(read)).toEqual(["a", "c"]);
    expect(read.damage).toMatch(/^\d+ bytes are not what was written$/);
    spool.done(read);
    expect(await spool.read()).toBeUndefined();
    const [kept] = readdirSync(damagedFolder);
    expect(readFileSync(join(damagedFolder, kept!))).toEqual(bytes);
  });

  test("a segment that cannot be read at all is said, and stops nothing", async () => {
    const { open } = openFolder();
    const other = openFolder().folder;
    const path = await left(other, ["a"]);
    const spool = open();
    spool.adopt(other);
    rmSync(path);
    const read = (await spool.read())!;
    expect(read.frames).toEqual([]);
    expect(read.damage).toContain("ENOENT");
    spool.done(read);
    expect(await spool.read()).toBeUndefined();
  });
});

test("a folder that nobody can write to refuses each append, and goes on once it can be written to", async () => {
  const { folder, open } = openFolder();
  const spool = open();
  rmSync(folder, { recursive: true });
  await expect(spool.append(some(1), false)).rejects.toThrow("ENOENT");
  expect(spool.fill()).toBe(0);
});
