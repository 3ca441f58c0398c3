import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

interface Package {
  readonly version: string;
  readonly integrity?: string;
  readonly optional?: boolean;
}

const WANTED: Record<string, Package> = {
  "": { version: "0.1.0" },
  "node_modules/hono": { version: "4.0.0", integrity: "sha512-a" },
  "node_modules/fsevents": { version: "2.0.0", integrity: "sha512-b", optional: true },
};

/** A checkout that wants `WANTED`, and an npm that notes its arguments and does `install`. */
function aCheckout(install = "") {
  const root = mkdtempSync(join(tmpdir(), "rushhour-preflight-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const folder of ["cli", "node_modules/.bin"]) mkdirSync(join(root, folder), { recursive: true });
  copyFileSync(join(import.meta.dirname, "preflight.mjs"), join(root, "cli", "preflight.mjs"));
  writeFileSync(join(root, "package-lock.json"), JSON.stringify({ packages: WANTED }));
  symlinkSync(process.execPath, join(root, "node_modules", ".bin", "node"));
  const npm = join(root, "npm.js");
  writeFileSync(
    npm,
    `require("node:fs").writeFileSync("called", process.argv.slice(2).join(" "));${install}`,
  );
  return {
    root,
    have: (packages: Record<string, Package>) =>
      writeFileSync(join(root, "node_modules", ".package-lock.json"), JSON.stringify({ packages })),
    preflight: () => {
      const env = { ...process.env, npm_execpath: npm };
      const { status, stdout, stderr } = spawnSync(process.execPath, ["cli/preflight.mjs"], {
        cwd: root,
        env,
        encoding: "utf8",
      });
      const called = join(root, "called");
      return {
        status,
        output: stdout + stderr,
        npm: existsSync(called) ? readFileSync(called, "utf8") : undefined,
      };
    },
  };
}

const INSTALLED = Object.fromEntries(Object.entries(WANTED).filter(([, { optional }]) => optional !== true));

test("an up-to-date checkout is left alone without a word, optional packages absent or not", () => {
  const { have, preflight } = aCheckout();
  have(INSTALLED);
  expect(preflight()).toEqual({ status: 0, output: "", npm: undefined });
});

test.each([
  ["a missing package", {}],
  ["another version", { "node_modules/hono": { version: "3.9.9", integrity: "sha512-a" } }],
  ["another content", { "node_modules/hono": { version: "4.0.0", integrity: "sha512-x" } }],
])("%s runs npm ci, development packages included", (_case, installed) => {
  const { have, preflight, root } = aCheckout();
  have(installed);
  const { status, output, npm } = preflight();
  expect(npm).toBe("ci --include=dev --no-audit --no-fund");
  expect([status, output]).toEqual([0, expect.stringContaining("installing the dependencies")]);
  expect(existsSync(join(root, ".rushhour", "preflight.lock"))).toBe(false);
});

test("a failed npm ci ends with its exit code in a sentence", () => {
  const { preflight } = aCheckout("process.exit(7)");
  const { status, output } = preflight();
  expect(status).toBe(1);
  expect(output).toContain("npm ci failed (exit code 7)");
});

test("an install without Node 24 says why", () => {
  const { preflight } = aCheckout(`require("node:fs").rmSync("node_modules/.bin/node")`);
  const { status, output } = preflight();
  expect(status).toBe(1);
  expect(output).toContain("ignore-scripts");
});

test("a lock left by a killed preflight does not stop the next", () => {
  const { preflight, root } = aCheckout();
  mkdirSync(join(root, ".rushhour"));
  writeFileSync(join(root, ".rushhour", "preflight.lock"), String(2 ** 22 + 1));
  expect(preflight().npm).toContain("ci");
});
