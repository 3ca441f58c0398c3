import { utcFormat } from "d3-time-format";

/** `12,345` */
export function integer(value: number): string {
  return Math.round(value).toLocaleString("en");
}

/** Three digits, or whole from 1,000: `0.0123`, `98.7`, `1,234`; an axis shows `50`, not `50.0`. */
export function decimal(value: number): string {
  return Math.abs(value) >= 999.5 ? integer(value) : String(Number(value.toPrecision(3)));
}

/** `1.23 %` */
export function percent(share: number): string {
  return `${decimal(share * 100)} %`;
}

/** As short as an axis wants it: `500 µs`, `20 ms`, `1.5 s`. */
export function duration(ms: number): string {
  if (ms === 0) return "0";
  if (ms < 0.9995) return `${decimal(ms * 1_000)} µs`;
  return ms < 999.5 ? `${decimal(ms)} ms` : `${decimal(ms / 1_000)} s`;
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
