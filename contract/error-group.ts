import { hash } from "node:crypto";
import type { Level } from "./request-log.ts";

/**
 * Failed requests that are one problem: same route, status and type, and the same message but for the numbers and ids in it.
 * Each definition has its SQL twin, for views and reconciling, which agrees on every text (test/error-groups.test.ts).
 */
export interface ErrorGroup {
  readonly service: string;
  readonly method: string;
  readonly endpoint: string;
  readonly status_code: number;
  readonly error_type: string | null;
  readonly message: string | null; // a pattern: see messagePattern
}

/** Whether a request has a group. */
export const isError = (level: Level): boolean => level === "ERROR" || level === "CRITICAL";

export const IS_ERROR_SQL = "level IN ('ERROR', 'CRITICAL')";

/**
 * UUIDs, long hexadecimal numbers and decimal ones. Of ASCII alone, spelled out and without a flag, JavaScript, MySQL (ICU) and
 * MariaDB (PCRE2) find the same; `\d`, `\w` and the case of letters mean something else to each.
 */
const VARYING = "[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9a-fA-F]{16,}|[0-9]+";

const VARYING_PARTS = new RegExp(VARYING, "g");

/** What a group is made of; the log's own names. */
export interface FailedRequest extends Omit<ErrorGroup, "error_type" | "message"> {
  readonly error_type?: string | null | undefined;
  readonly error_message?: string | null | undefined;
}

export function errorGroup(request: FailedRequest): ErrorGroup {
  const { service, method, endpoint, status_code, error_type = null, error_message = null } = request;
  return { service, method, endpoint, status_code, error_type, message: messagePattern(error_message) };
}

/** An error message with # for each part that varies from request to request. */
export function messagePattern(message: string | null): string | null {
  return message === null ? null : message.replace(VARYING_PARTS, "#");
}

/** The same in SQL, over the column `error_message`. */
export const MESSAGE_PATTERN_SQL = `REGEXP_REPLACE(error_message, '${VARYING}', '#')`;

/** The name of a group: the first 16 hexadecimal digits of SHA-256 over what its requests have in common. */
export function fingerprint(group: ErrorGroup): string {
  const { service, method, endpoint, status_code, error_type, message } = group;
  const names = [service, method, endpoint, status_code, error_type ?? "", message ?? ""];
  return hash("sha256", names.join("\0")).slice(0, 16);
}

/** The same in SQL, over columns of these names. */
export const FINGERPRINT_SQL =
  "CONVERT(LEFT(SHA2(CONCAT_WS(CHAR(0), service, method, endpoint, status_code, COALESCE(error_type, ''), COALESCE(message, '')), 256), 16) USING ascii) COLLATE ascii_bin";
