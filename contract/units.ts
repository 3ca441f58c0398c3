import { z } from "zod";
import { RushhourError } from "./errors.ts";

const UNIT_MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;
const PER_SECOND = { s: 1, m: 60, h: 3_600 } as const;

const UNIT_BYTES = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const;

const NUMBER = String.raw`\d+(?:\.\d+)?`;
const DURATION = new RegExp(
  `^(?=\\d)${Object.keys(UNIT_MS)
    .map((unit) => `(?:(?<${unit}>${NUMBER})${unit})?`)
    .join("")}$`,
);
const RATE = new RegExp(`^(?<count>${NUMBER})(?:/(?<per>[smh]))?$`);

const SIZE = new RegExp(`^(?<count>${NUMBER})(?<unit>${Object.keys(UNIT_BYTES).join("|")})$`);

const SIZE_RULE = "must be a size from 1MiB to 1024TiB, such as 512MiB, 1GiB, 1.5TiB";
const DURATION_RULE =
  "must be a duration above 0 and up to 1000d, largest unit first, such as 500ms, 30s, 1h30m";
const AGE_RULE = "must be an age from 1d to 10000d, largest unit first, such as 35d, 48h, 1d12h";
const RATE_RULE = "must be a rate above 0 and up to 1000000/s, such as 50/s, 3000/m, 100/h";

/**
 * Milliseconds of a duration such as `500ms`, `1.5s`, `1h30m`, `2d`.
 * @throws RushhourError CONFIG_INVALID
 */
export function parseDuration(text: string): number {
  return parsed("duration", text, toMs(text), DURATION_RULE);
}

/**
 * Events a second of a rate such as `50/s`, `3000/m`, `100/h`; a bare number counts a second.
 * @throws RushhourError CONFIG_INVALID
 */
export function parseRate(text: string): number {
  return parsed("rate", text, toPerSecond(text), RATE_RULE);
}

/** {@link parseDuration} as a setting for `readSettings`: milliseconds. */
export const durationSetting = z.string().transform(settingOf(toMs, DURATION_RULE));

/** An age of at least a day, as a setting for `readSettings`: milliseconds. */
export const ageSetting = z.string().transform(settingOf(toAgeMs, AGE_RULE));

/** {@link parseRate} as a setting for `readSettings`: events a second. */
export const rateSetting = z.string().transform(settingOf(toPerSecond, RATE_RULE));

/** {@link rateSetting} or `max`, which is Infinity. */
export const rateOrMaxSetting = z
  .string()
  .transform(
    settingOf(
      (text) => (text === "max" ? Infinity : toPerSecond(text)),
      `${RATE_RULE}, or max for as fast as it goes`,
    ),
  );

/** A size of a mebibyte or more, as a setting for `readSettings`: bytes. */
export const sizeSetting = z.string().transform(settingOf(toBytes, SIZE_RULE));

function toBytes(text: string): number | undefined {
  const parts = SIZE.exec(text)?.groups;
  if (parts === undefined) return undefined;
  const bytes = Math.floor(Number(parts["count"]) * UNIT_BYTES[parts["unit"] as keyof typeof UNIT_BYTES]);
  return bytes >= UNIT_BYTES.MiB && bytes <= 1_024 * UNIT_BYTES.TiB ? bytes : undefined;
}

function toMs(text: string): number | undefined {
  const ms = sumOf(text);
  return ms > 0 && ms <= 1_000 * UNIT_MS.d ? ms : undefined;
}

function toAgeMs(text: string): number | undefined {
  const ms = sumOf(text);
  return ms >= UNIT_MS.d && ms <= 10_000 * UNIT_MS.d ? ms : undefined;
}

/** Milliseconds; 0 for what is no duration. */
function sumOf(text: string): number {
  const parts = DURATION.exec(text)?.groups ?? {};
  let ms = 0;
  for (const [unit, unitMs] of Object.entries(UNIT_MS)) ms += Number(parts[unit] ?? 0) * unitMs;
  return ms;
}

function toPerSecond(text: string): number | undefined {
  const parts = RATE.exec(text)?.groups;
  if (parts === undefined) return undefined;
  const perSecond = Number(parts["count"]) / PER_SECOND[(parts["per"] ?? "s") as keyof typeof PER_SECOND];
  return perSecond > 0 && perSecond <= 1_000_000 ? perSecond : undefined;
}

function parsed(what: string, text: string, value: number | undefined, rule: string): number {
  if (value === undefined) throw new RushhourError("CONFIG_INVALID", `the ${what} "${text}" ${rule}`);
  return value;
}

function settingOf(parse: (text: string) => number | undefined, rule: string) {
  return (text: string, context: z.RefinementCtx<string>): number => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue(rule);
    return z.NEVER;
  };
}
