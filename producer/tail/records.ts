import { v5 as uuidv5 } from "uuid";
import { MAX_LINE_CHARS, parseLine, templateOf, type LoggedRequest } from "../../contract/access-log.ts";
import { levelOfStatus, UNMATCHED, type RequestLog } from "../../contract/request-log.ts";

const NAMESPACE = "2f6d7e04-0b0e-5d53-9a0f-7f1f4f6c9a21";
const HOUR_MS = 3_600_000;
const MAX_TEMPLATES = 1_000;
const OTHER = "(other)";

/** The same for a line that is read again: which log, how its file begins, where the line stands. */
export const idOfLine = (path: string, head: string, offset: number): string =>
  uuidv5(`${path}/${head}/${offset}`, NAMESPACE);

export interface LineOptions {
  readonly service: string;
  readonly instance: string;
}

/**
 * Makes request logs of the lines of access logs, combined or common. Nobody knows the routes, so each id in a path is `:id`, what was answered
 * 404 is unmatched, and after 1,000 templates the rest is `(other)`. The query is not kept. A line that does not say how
 * long its request took has 0 ms.
 * @returns the record, or why a line is none
 */
export function lineReader({ service, instance }: LineOptions) {
  const templates = new Set<string>();
  const templateFor = (path: string) => {
    const template = templateOf(path);
    if (templates.size < MAX_TEMPLATES) templates.add(template);
    return templates.has(template) ? template : OTHER;
  };
  return function read(line: string, request_id: string, nowMs = Date.now()): RequestLog | string {
    if (line.length > MAX_LINE_CHARS) return "too long";
    const request = parsed(line.trimEnd());
    if (typeof request === "string") return request;
    const { status_code, second, method, path } = request;
    if (status_code === undefined || status_code < 100 || status_code > 599) return "no status";
    if (second * 1_000 > nowMs + HOUR_MS) return "more than an hour ahead";
    return {
      ...{ v: 1, request_id, timestamp: new Date(second * 1_000).toISOString() },
      ...{ level: levelOfStatus(status_code), service, instance },
      endpoint: status_code === 404 ? UNMATCHED : templateFor(path),
      path: path.replace(/[?#].*$/s, ""),
      ...{ method: method.toUpperCase(), status_code },
      response_time_ms: (request.request_time_s ?? 0) * 1_000,
      user_agent: request.user_agent,
      client_ip: request.client,
      bytes_out: request.bytes_out,
      user_id: request.user,
    };
  };
}

function parsed(line: string): LoggedRequest | string {
  const combined = parseLine(line, "combined");
  return combined === "unreadable" ? parseLine(line, "common") : combined;
}
