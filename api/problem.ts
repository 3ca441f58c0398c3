import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { TypedResponse } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";

const PROBLEM_CODES = [
  "INVALID_REQUEST", // a field breaks a rule; `fields` names each
  "BODY_NOT_JSON",
  "BODY_NOT_GZIP",
  "BODY_NOT_OTLP",
  "TOO_MANY_RECORDS",
  "BAD_CREDENTIALS",
  "SESSION_INVALID", // no token, or one that is not good any more
  "UNAUTHORIZED", // the control routes want their token
  "FORBIDDEN", // the control routes are for this machine only
  "PAYMENT_DECLINED",
  "ROUTE_UNKNOWN",
  "USER_UNKNOWN",
  "PRODUCT_UNKNOWN",
  "ORDER_UNKNOWN",
  "FAULT_UNKNOWN",
  "METHOD_NOT_ALLOWED",
  "OUT_OF_STOCK",
  "ALREADY_PAID",
  "TOO_MANY_FAULTS",
  "BODY_TOO_LARGE",
  "NOT_JSON_TYPE",
  "MEDIA_TYPE_UNKNOWN",
  "BODY_ENCODED", // compressed
  "RATE_LIMITED",
  "FAULT_INJECTED", // somebody asked for this failure
  "INTERNAL_ERROR",
  "UNAVAILABLE",
] as const;
export type ProblemCode = (typeof PROBLEM_CODES)[number];

/** The one shape of every error answer. */
export const Problem = z
  .object({
    error: z.object({
      code: z.enum(PROBLEM_CODES),
      message: z.string().openapi({ example: "no order has the id 7" }),
      fields: z
        .array(
          z.object({
            field: z.string().openapi({ example: "items.0.quantity" }),
            rule: z.string().openapi({ example: "must be a whole number from 1 to 100" }),
          }),
        )
        .optional()
        .openapi({ description: "Only with INVALID_REQUEST: every field that breaks a rule" }),
    }),
  })
  .openapi("Problem");
export type Problem = z.infer<typeof Problem>;

/** Answers with an error in the one shape, and tells the request log its code and message. */
export function problem<Status extends ContentfulStatusCode>(
  c: Context,
  status: Status,
  code: ProblemCode,
  message: string,
  fields?: NonNullable<Problem["error"]["fields"]>,
): Response & TypedResponse<Problem, Status, "json"> {
  c.error ??= Object.assign(new HTTPException(status, { message }), { name: code }); // what was thrown tells more
  const body: Problem = { error: { code, message, ...(fields && { fields }) } };
  return c.json(body, status);
}

/** The default hook of every route: what zod found wrong, in the one shape. */
export function refuseInvalid(
  result: { success: true } | { success: false; error: z.ZodError; target: string },
  c: Context,
): Response | undefined {
  if (result.success) return undefined;
  const fields = result.error.issues.map((issue) => ({
    field: issue.path.length > 0 ? issue.path.join(".") : result.target === "json" ? "(body)" : result.target,
    rule: issue.message,
  }));
  const named = fields.map(({ field, rule }) => `${field} ${rule}`).join("; ");
  return problem(c, 400, "INVALID_REQUEST", named, fields);
}

/** Answers what was thrown. The cause stays in the log: a client sees no message of ours and no stack. */
export function answerThrown(error: Error, c: Context): Response {
  if (error instanceof HTTPException && error.status === 415) return refuseMediaType(c);
  return problem(c, 500, "INTERNAL_ERROR", "the server failed to answer; the request id names this failure");
}

export function refuseMediaType(c: Context): Response {
  return problem(c, 415, "NOT_JSON_TYPE", "the body must be JSON with content-type: application/json");
}

export function refuseEncoding(c: Context): Response {
  c.header("accept-encoding", "identity"); // RFC 9110, 12.5.3
  return problem(c, 415, "BODY_ENCODED", "the body must not be compressed; send it without content-encoding");
}

/** A documented JSON answer. */
export function json<Schema extends z.ZodType>(schema: Schema, description: string) {
  return { description, content: { "application/json": { schema } } };
}

/** Documentation of the error answers, by status; a route lists those it can give. */
export const PROBLEMS = {
  400: json(Problem, "A field breaks a rule, or the body is not JSON"),
  401: json(Problem, "Username, password or token is wrong"),
  402: json(Problem, "The payment was declined; the order stays as it is"),
  404: json(Problem, "Nothing has this id"),
  409: json(Problem, "The state of the shop forbids it: out of stock, or paid already"),
  413: json(Problem, "The body is larger than 64 KiB"),
  415: json(Problem, "The body is not declared as application/json, or is compressed"),
} as const;

/** What every modelled route can also answer, as any route of a busy shop does. */
export const FAULTS = {
  429: json(Problem, "Too many requests; `retry-after` says when to come back"),
  500: json(Problem, "An uncaught failure"),
  503: json(Problem, "Overloaded; `retry-after` says when to come back"),
} as const;
