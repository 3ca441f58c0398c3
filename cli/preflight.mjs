/**
 * npm's prestart and pretest: installs the dependencies when they are missing or older than package-lock.json, and says
 * nothing otherwise. Plain JavaScript for Node 20 with nothing installed; `npm ci` brings the Node 24 that runs the rest.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const LOCK = join(ROOT, ".rushhour", "preflight.lock");
const OWN_NODE = join(ROOT, "node_modules", ".bin", "node");
const INVALID_USAGE = 104;

const say = (text) => console.error(`rushhour: ${text}`);

if (Number.parseInt(process.versions.node, 10) < 20) {
  say(
    `Node ${process.versions.node} is too old; install Node 20 or later (https://nodejs.org), then try again.`,
  );
  process.exit(INVALID_USAGE);
}
if (!isCurrent()) await inTurn(() => (isCurrent() ? 0 : install()));

/** Every package the lock file demands stands in node_modules in its version; optional ones may be absent. */
function isCurrent() {
  const wanted = packagesOf(join(ROOT, "package-lock.json"));
  const installed = packagesOf(join(ROOT, "node_modules", ".package-lock.json"));
  if (wanted === undefined || installed === undefined || !existsSync(OWN_NODE)) return false;
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    const found = installed[path];
    if (path === "" || (found === undefined && optional === true)) return true;
    return found !== undefined && found.version === version && found.integrity === integrity;
  });
}

function packagesOf(lockFile) {
  try {
    return JSON.parse(readFileSync(lockFile, "utf8")).packages;
  } catch {
    return undefined; // absent or torn: as good as not installed
  }
}

/** Two at once (`npm start` beside `npm test`) would empty node_modules under each other. */
async function inTurn(work) {
  mkdirSync(join(ROOT, ".rushhour"), { recursive: true });
  while (!lock()) {
    if (isAlive(lockHolder())) await sleep(250);
    else rmSync(LOCK, { force: true });
  }
  try {
    process.exitCode = work();
  } finally {
    rmSync(LOCK, { force: true });
  }
}

function lock() {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

function lockHolder() {
  try {
    return Number.parseInt(readFileSync(LOCK, "utf8"), 10);
  } catch {
    return Number.NaN; // released a moment ago
  }
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === "EPERM";
  }
}

function install() {
  say("installing the dependencies (npm ci), once; about a minute");
  // Under npm the variables it sets for scripts would reach the inner npm as its options.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_config_(omit|only|production)$/i.test(name)),
  );
  const args = ["ci", "--include=dev", "--no-audit", "--no-fund"];
  const npm = process.env.npm_execpath;
  const [command, ...first] = npm?.endsWith(".js") ? [process.execPath, npm] : ["npm"];
  const result = spawnSync(command, [...first, ...args], { cwd: ROOT, env, stdio: ["ignore", 2, 2] });
  if (result.status !== 0) {
    const reason = result.error?.message ?? `exit code ${result.status ?? result.signal}`;
    say(
      `npm ci failed (${reason}); its own words are above. Check the network and the disk, then try again.`,
    );
    return 1;
  }
  return checkOwnNode();
}

/** The package `node` fetches its program in an install script, which npm can be told not to run. */
function checkOwnNode() {
  const { stdout } = spawnSync(OWN_NODE, ["--version"], { encoding: "utf8" });
  if (stdout?.startsWith("v24.")) return 0;
  say(
    `npm ci left no Node 24 in node_modules/.bin (found: ${stdout?.trim() || "none"}). The package "node" brings it by an install ` +
      "script: allow it (npm config set ignore-scripts false), then run: rm -rf node_modules && npm ci",
  );
  return 1;
}
