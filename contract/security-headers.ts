import type { ServerResponse } from "node:http";
import type { MiddlewareHandler } from "hono";

/** An answer is data, never a page: nothing may run, frame, sniff, share or keep it. The docs page says otherwise. */
const SECURITY_HEADERS = Object.entries({
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
});

/**
 * A list of constants in place of hono's own secureHeaders, which sets twice as many for pages. On Node's response, where there is one: a
 * Headers object costs three times as much, and what a route sets by itself takes their place there too.
 */
export const securityHeaders: MiddlewareHandler = (c, next) => {
  const outgoing = (c.env as { outgoing?: ServerResponse } | undefined)?.outgoing;
  for (const [name, value] of SECURITY_HEADERS) {
    if (outgoing) outgoing.setHeader(name, value);
    else c.header(name, value);
  }
  return next();
};
