import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeWhole } from "./pids.ts";

/** `<home>/credentials`: KEY=value lines, readable by its owner alone. */
export const credentialsFile = (home: string): string => join(home, "credentials");

/** The password under `key`; made at random and kept when there is none yet. Other lines stay as they are. */
export function passwordOf(home: string, key: string): string {
  const file = credentialsFile(home);
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
  const known = readPassword(home, key);
  if (known !== undefined) return known;
  const password = randomBytes(18).toString("base64url"); // needs no quoting in URLs, SQL or shells
  const others = lines.filter((line) => !line.startsWith(`${key}=`));
  writeWhole(file, [...others, `${key}=${password}`, ""].join("\n"), 0o600);
  return password;
}

export function readPassword(home: string, key: string): string | undefined {
  const file = credentialsFile(home);
  if (!existsSync(file)) return undefined;
  const line = readFileSync(file, "utf8")
    .split("\n")
    .find((text) => text.startsWith(`${key}=`) && text.length > key.length + 1);
  return line?.slice(key.length + 1).trim();
}
