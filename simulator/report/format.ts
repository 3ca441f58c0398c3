import { utcFormat } from "d3-time-format";
import { METRICS } from "../figures/thresholds.ts";
import type { MetricName } from "../figures/thresholds.ts";
import type { ThresholdResult } from "./record.ts";

/** `12,345` */
export function integer(value: number): string {
  return Math.round(value).toLocaleString("en");
}

/** Three digits, or whole from 1,000: `0.0123`, `98.7`, `1,234`; an axis shows `50`, not `50.0`. */
export function decimal(value: number): string {
  return rounded(value, 3);
}

/** `1.23 %` */
export function percent(share: number): string {
  return `${decimal(share * 100)} %`;
}

/** `42.8/s` */
export function perSecond(rate: number): string {
  return `${decimal(rate)}/s`;
}

/** `500 µs`, `20 ms`, `1.5 s`: at most nine characters up to 27 hours. */
export function milliseconds(ms: number): string {
  return duration(ms, 3);
}

/** A percentile of a summary; a dash where nothing was measured: all zeros are not fast. */
export function latencyText<P extends string>(
  summary: Readonly<Record<P | "max", number>>,
  percentile: P,
): string {
  return summary.max === 0 ? "–" : milliseconds(summary[percentile]);
}

/** What was measured for a threshold, in the unit of its metric; a query has none. Why not, where nothing was. */
export function measuredText({ metric, expression, value, reason }: ThresholdResult): string {
  if (value === null) return reason ?? "no data";
  const name = metric.replace(/\{.*/s, "");
  const digits = 4; // one more than elsewhere: what just missed its bound should not look like it
  switch (Object.hasOwn(METRICS, name) ? METRICS[name as MetricName] : undefined) {
    case "trend":
      return duration(value, digits);
    case "rate":
      return `${rounded(value * 100, digits)} %`;
    case "counter":
      return `${rounded(value, digits)}${/^\s*rate/i.test(expression) ? "/s" : ""}`;
    default:
      return rounded(value, digits);
  }
}

function duration(ms: number, digits: number): string {
  if (ms === 0) return "0";
  if (ms < 0.9995) return `${rounded(ms * 1_000, digits)} µs`;
  return ms < 999.5 ? `${rounded(ms, digits)} ms` : `${rounded(ms / 1_000, digits)} s`;
}

function rounded(value: number, digits: number): string {
  return Math.abs(value) >= 10 ** digits - 0.5 ? integer(value) : String(Number(value.toPrecision(digits)));
}

/** `4.2 MB` */
export function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3));
  return `${decimal(count / 1_000 ** step)} ${units[step]!}`;
}

const clock = utcFormat("%-H:%M:%S");
const minutes = utcFormat("%-M:%S");

/** Since the run's start: `2:05`, `1:02:05`, `3d 1:02:05`. */
export function elapsed(seconds: number): string {
  const time = new Date(seconds * 1_000);
  if (seconds < 3_600) return minutes(time);
  const days = Math.floor(seconds / 86_400);
  return days === 0 ? clock(time) : `${days}d ${clock(time)}`;
}

/** The same in whole minutes, as short as an axis wants it: `30m`, `1h30m`, `2d`. */
export function hours(seconds: number): string {
  const parts = {
    d: Math.floor(seconds / 86_400),
    h: Math.floor(seconds / 3_600) % 24,
    m: Math.floor(seconds / 60) % 60,
  };
  const shown = Object.entries(parts).filter(([, count]) => count > 0);
  return shown.map(([unit, count]) => `${count}${unit}`).join("") || "0";
}

const moment = utcFormat("%-d %B %Y, %H:%M:%S UTC");

/** `21 November 2026, 09:30:00 UTC` */
export function date(iso: string): string {
  return moment(new Date(iso));
}

/** What others wrote moves no cursor. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ");
}

/** The same, with an ellipsis where it is longer. */
export function cut(text: string, length: number): string {
  const clean = printable(text);
  return clean.length > length ? `${clean.slice(0, length - 1)}…` : clean;
}
