import { z } from "zod";
import { durationSetting } from "./units.ts";

const MOMENT_RULE =
  "must be a time such as now-1h, 2026-11-21, '2026-11-21 10:00' (UTC) or 2026-11-21T10:00:00.000+01:00";

const DAY_AND_TIME = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(?:\.\d{1,3})?)?)?\s*(Z|[+-]\d\d:\d\d)?$/i;

/**
 * A moment as people write it: `now`, `now-1h30m`, a day, or ISO 8601 with a space or a T; UTC unless it names an
 * offset.
 * @returns undefined when it breaks {@link MOMENT_RULE}
 */
export function parseMoment(text: string, now: Date): Date | undefined {
  const ago = /^now(?:-(.+))?$/.exec(text);
  if (ago !== null) return ago[1] === undefined ? now : before(now, ago[1]);
  const [whole, day, time = "00:00", seconds = ":00", zone = "Z"] = DAY_AND_TIME.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const dayOfMonth = new Date(`${day}T00:00Z`).getUTCDate(); // 30 February becomes 2 March
  const moment = new Date(`${day}T${time}${seconds}${zone.toUpperCase()}`);
  return dayOfMonth === Number(day!.slice(-2)) && !Number.isNaN(moment.getTime()) ? moment : undefined;
}

function before(now: Date, duration: string): Date | undefined {
  const ms = durationSetting.safeParse(duration).data;
  return ms === undefined ? undefined : new Date(now.getTime() - ms);
}

/** A setting that names a moment. @param now what `now` in it means, the same for all settings of a command */
export const momentSetting = (now: Date) =>
  z.string().transform((text, context): Date => {
    const moment = parseMoment(text, now);
    if (moment === undefined) context.addIssue(MOMENT_RULE);
    return moment ?? z.NEVER;
  });
