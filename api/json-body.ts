import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { problem, refuseEncoding, refuseMediaType } from "./problem.ts";

/** The largest body a route reads: 64 KiB. */
export const MAX_BODY_BYTES = 65_536;

const limit = bodyLimit({
  maxSize: MAX_BODY_BYTES,
  onError: (c) =>
    problem(c, 413, "BODY_TOO_LARGE", `the body may have ${MAX_BODY_BYTES} bytes at most; send less`),
});

/** Nothing here inflates, so a compressed body is refused unread, and no bomb of a few bytes becomes gigabytes. */
const plain: MiddlewareHandler = async (c, next) => {
  const encoding = c.req.header("content-encoding") ?? "identity";
  return encoding.toLowerCase() === "identity" ? next() : refuseEncoding(c);
};

/** Refuses what is not JSON before the schema looks at it; no body at all is the schema's to judge. */
const parse: MiddlewareHandler = async (c, next) => {
  const text = await c.req.text(); // kept by Hono: the validator reads it again from memory
  const contentType = c.req.header("content-type");
  if (text === "" && contentType === undefined) return next();
  if (!/^application\/json\s*(;.*)?$/i.test(contentType ?? "")) return refuseMediaType(c);
  try {
    JSON.parse(text);
  } catch {
    // The parser's own words quote the body, and a password in it would reach the log.
    return problem(c, 400, "BODY_NOT_JSON", "the body is not JSON");
  }
  return next();
};

/** Middleware of every route that reads a body. */
export const jsonBody = [plain, limit, parse];
