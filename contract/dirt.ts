import { z } from "zod";
import { durationSetting } from "./units.ts";

/** What goes wrong with records on their way in the field: the share of each, all together at most 1. */
export interface Dirt {
  readonly late: number; // their time lies up to `age_ms` back
  readonly duplicate: number; // sent again a little later, byte for byte
  readonly shuffle: number; // sent behind up to a thousand later ones
  readonly malformed: number; // broken in one of the ways of producer/dirt.ts
  readonly age_ms: number;
}

/** What `--dirty` alone means. */
export const USUAL_DIRT = "late=1%,duplicate=1%,shuffle=1%,malformed=0.5%";

const SHARES = ["late", "duplicate", "shuffle", "malformed"] as const;
const AGE_MS = 3_600_000;
const RULE = `must be shares such as ${USUAL_DIRT}, together at most 100%, and age=1h for how late the late ones are at most`;

/** Shares such as `late=1%,malformed=0.5%`; what is not named does not happen. */
export const dirtSetting = z.string().transform((text, context): Dirt => {
  const dirt = { late: 0, duplicate: 0, shuffle: 0, malformed: 0, age_ms: AGE_MS };
  const named = new Set<string>();
  for (const part of text.split(",")) {
    const [, name = "", value = ""] = /^\s*([a-z]+)=([\d.a-z%]+)\s*$/.exec(part) ?? [];
    const share = SHARES.find((known) => known === name);
    const amount = share
      ? shareOf(value)
      : name === "age"
        ? durationSetting.safeParse(value).data
        : undefined;
    if (amount === undefined || named.has(name)) {
      context.addIssue(RULE);
      return z.NEVER;
    }
    named.add(name);
    dirt[share ?? "age_ms"] = amount;
  }
  if (SHARES.reduce((sum, share) => sum + dirt[share], 0) > 1) context.addIssue(RULE);
  return dirt;
});

function shareOf(text: string): number | undefined {
  const [, percent] = /^(\d+(?:\.\d+)?)%$/.exec(text) ?? [];
  return percent === undefined || Number(percent) > 100 ? undefined : Number(percent) / 100;
}
