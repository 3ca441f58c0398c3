import { z } from "zod";
import { durationSetting, rateSetting } from "../../contract/units.ts";

export const MAX_VUS = 10_000;

/** A value that `readValue` reads; what it answers with undefined breaks `rule`. */
function field<T>(rule: string, readValue: (value: unknown) => T | undefined) {
  return z
    .unknown()
    .optional()
    .transform((value, context): T => {
      const taken = readValue(value);
      if (taken !== undefined) return taken;
      context.addIssue(rule);
      return z.NEVER;
    });
}

const toDuration = (value: unknown) => durationSetting.safeParse(value).data;
const toRate = (value: unknown) =>
  rateSetting.safeParse(typeof value === "number" ? String(value) : value).data;

/** Milliseconds. */
export const duration = field(
  "must be a duration with its unit, up to 1000d, such as 500ms, 30s, 1h30m",
  toDuration,
);

/** The same from 0 on. */
export const durationOrZero = field(
  "must be a duration with its unit, up to 1000d, such as 0s, 30s, 1h30m",
  (value) => (isZero(value, /^0+(?:ms|s|m|h|d)?$/) ? 0 : toDuration(value)),
);

/** After the run's start, ms: `+3m`. */
export const offset = field(
  "must be a time after the start of the run, such as +0s, +90s, +1h30m",
  (value) =>
    isZero(value, /^\+?0+(?:ms|s|m|h|d)?$/)
      ? 0
      : toDuration(typeof value === "string" ? value.replace(/^\+/, "") : value),
);

/** A second. */
export const rate = field("must be a rate above 0 and up to 1000000/s, such as 50/s, 3000/m, 100/h", toRate);

export const rateOrZero = field(
  "must be a rate from 0 up to 1000000/s, such as 0/s, 50/s, 3000/m, 100/h",
  (value) => (isZero(value, /^0+(?:\.0+)?(?:\/[smh])?$/) ? 0 : toRate(value)),
);

function isZero(value: unknown, written: RegExp): boolean {
  return value === 0 || (typeof value === "string" && written.test(value));
}

/** A whole number; digits in quotes or out of `${env.X}` as well. */
export function integer(min: number, max: number) {
  return field(`must be a whole number from ${min} to ${max}`, (value) => {
    const number = toNumber(value);
    return Number.isInteger(number) && number! >= min && number! <= max ? number : undefined;
  });
}

/** @param above the number must be larger than this */
export function number(above: number, max: number) {
  return field(`must be a number above ${above} and up to ${max}`, (value) => {
    const taken = toNumber(value);
    return taken !== undefined && taken > above && taken <= max ? taken : undefined;
  });
}

export function numberFrom(min: number, max: number) {
  return field(`must be a number from ${min} to ${max}`, (value) => {
    const taken = toNumber(value);
    return taken !== undefined && taken >= min && taken <= max ? taken : undefined;
  });
}

function toNumber(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  return typeof value === "string" && /^\d+(?:\.\d+)?$/.test(value) ? Number(value) : undefined;
}

export const flag = field("must be true or false", (value) =>
  typeof value === "boolean" ? value : value === "true" ? true : value === "false" ? false : undefined,
);

/** A name of at most 128 characters on one line. */
export const name = field("must be a name of 1 to 128 characters on one line", (value) =>
  typeof value === "string" && /^[^\n\r]{1,128}$/.test(value) && value.trim() === value ? value : undefined,
);

export const text = field("must be text", (value) =>
  typeof value === "string" && value !== "" ? value : undefined,
);

export const HTTP_URL_RULE = "must be an http or https URL such as http://127.0.0.1:8000";

export function isHttpUrl(value: string): boolean {
  return value.length <= 2_048 && /^https?:$/.test(URL.parse(value)?.protocol ?? "");
}

export const httpUrl = z.string(HTTP_URL_RULE).refine(isHttpUrl, HTTP_URL_RULE);

export function oneOf<const T extends string>(options: readonly T[]) {
  return z.enum(options, `must be ${options.slice(0, -1).join(", ")} or ${options.at(-1)}`);
}

/** Minutes after midnight as a clock shows them, in ms. */
export const timeOfDay = field('must be a time of day from "00:00" to "23:59"', (value) => {
  const [, hours, minutes] = (typeof value === "string" && /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(value)) || [];
  return hours === undefined ? undefined : (Number(hours) * 60 + Number(minutes)) * 60_000;
});

export const timeZone = field("must be a time zone such as UTC or Europe/Berlin", (value) => {
  if (typeof value !== "string") return undefined;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: value }).resolvedOptions().timeZone && value;
  } catch {
    return undefined; // no such zone
  }
});

const KNOWN_TAGS = ["scenario", "journey", "name", "route", "method", "status", "check"];
const TAG_RULE = `must be up to 20 tags such as {team: checkout}: names of letters, digits and _ other than ${KNOWN_TAGS.join(", ")}; values of 1 to 256 characters`;

/** Tags of a scenario or of the run, all as text. */
export const tags = field(TAG_RULE, (value) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const entries = Object.entries(value).map(([key, tag]) => [key, scalarText(tag)] as const);
  return entries.length <= 20 && entries.every(([key, tag]) => isTag(key, tag))
    ? Object.fromEntries(entries as [string, string][])
    : undefined;
});

export function isTag(key: string, value: string | undefined): boolean {
  return /^\w{1,64}$/.test(key) && !KNOWN_TAGS.includes(key) && /^[^\n\r]{1,256}$/.test(value ?? "");
}

/** Text, number or boolean as text; undefined for anything else. */
export function scalarText(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : undefined;
}
