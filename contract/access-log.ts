export const LOG_FORMATS = ["combined", "common"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** No request's line is longer; what is has other things in it. */
export const MAX_LINE_CHARS = 65_536;

/** A request as nginx or Apache wrote it down. */
export interface LoggedRequest {
  readonly second: number; // Unix time
  readonly method: string;
  readonly path: string; // with its query; what is not printable is percent-encoded
  readonly status_code: number | undefined;
  readonly bytes_out: number | undefined; // of the body
  readonly client: string; // address or name
  readonly user: string | undefined;
  readonly user_agent: string | undefined;
  readonly request_time_s: number | undefined; // nginx's $request_time, where it ends the line
}

const QUOTED = String.raw`"((?:[^"\\]|\\.)*)"`;
/** `[address] [identity] [user] [time] "[request]" [status] [bytes]`; a virtual host may come before. */
const COMMON = new RegExp(
  String.raw`^(\S+ \S+ .+?) \[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\] ${QUOTED} (\d{3}|-) (\d+|-)`,
);
/** The same, ` "[referer]" "[user agent]"`, and whatever else is written after it. */
const COMBINED = new RegExp(`${COMMON.source} ${QUOTED} ${QUOTED}`);
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `GET /path HTTP/1.1`; the version is missing in HTTP/0.9. */
const REQUEST = /^([!#$%&'*+.^_`|~\w-]+) (?:https?:\/\/[^/?#]+)?(\/.*?)(?: HTTP\/\d(?:\.\d)?)?$/i;

/** nginx writes seconds with three decimals; `rt=` and the like may stand before. */
const REQUEST_TIME = /[\s="](\d+\.\d{3})"?$/;

/**
 * @returns the request, or why there is none: `unreadable`, or `no request`, as for a TLS handshake on a plain port or
 * a connection that was closed before it asked for anything
 */
export function parseLine(text: string, format: LogFormat): LoggedRequest | string {
  const fields = (format === "combined" ? COMBINED : COMMON).exec(text);
  if (fields === null) return "unreadable";
  const [whole, who, day, month, year, hour, minute, second, sign, zoneHours, zoneMinutes] = fields;
  const [request, status, bytes, , agent] = fields.slice(11);
  const monthIndex = MONTHS.indexOf(month!);
  const localMs = Date.UTC(
    Number(year),
    monthIndex,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  );
  if (monthIndex < 0 || new Date(localMs).getUTCDate() !== Number(day)) return "unreadable";
  const zoneSeconds = (sign === "-" ? -1 : 1) * (Number(zoneHours) * 60 + Number(zoneMinutes)) * 60;

  const [, method, path] = REQUEST.exec(request!) ?? [];
  if (method === undefined || path === undefined) return "no request";
  const { client, user } = callerIn(who!);
  const requestTime = REQUEST_TIME.exec(text.slice(whole.length))?.[1];
  return {
    second: localMs / 1_000 - zoneSeconds,
    method,
    path: unescaped(path, (code) => `%${code}`),
    status_code: status === "-" ? undefined : Number(status),
    bytes_out: bytes === "-" ? undefined : Number(bytes),
    ...{ client, user },
    user_agent: agent === undefined || agent === "-" ? undefined : unescaped(agent, byte),
    request_time_s: requestTime === undefined ? undefined : Number(requestTime),
  };
}

/** `[virtual host] [address] [identity] [user]`: the first is seldom there, and a user's name may be of several words. */
function callerIn(text: string): Pick<LoggedRequest, "client" | "user"> {
  const words = text.split(" ");
  const [first = "", second = ""] = words;
  const hasHost = words.length > 3 && /^(?:[\d.]+|[\da-f:]*:[\da-f:.]+)$/i.test(second) && second.length > 1;
  const [client = first, , ...user] = hasHost ? words.slice(1) : words;
  const name = user.join(" ");
  return { client, user: name === "-" || name === "" ? undefined : name };
}

const ESCAPE = /\\(?:x([\da-f]{2})|(.))/gi;

/** Both servers write what is not printable as `\xHH`; nginx the quote as `\x22`, Apache as `\"`. */
function unescaped(text: string, decode: (hex: string) => string): string {
  return text.replaceAll(ESCAPE, (_, hex?: string, character?: string) =>
    hex === undefined ? character! : decode(hex.toUpperCase()),
  );
}

function byte(hex: string): string {
  return String.fromCharCode(Number.parseInt(hex, 16));
}

/** Numbers, UUIDs and long hexadecimal words are ids. */
const ID = /^(?:\d+|[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}|[\da-f]{16,})$/i;

/** What stands for the route of a path where nobody knows it: without query, each id in it `:id`. */
export function templateOf(path: string): string {
  const segments = path.replace(/[?#].*$/s, "").split("/");
  return segments.map((segment) => (ID.test(segment) ? ":id" : segment)).join("/");
}
