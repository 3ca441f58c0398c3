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

/** A list of constants in place of hono's own secureHeaders, which sets twice as many for pages. */
export const securityHeaders: MiddlewareHandler = (c, next) => {
  for (const [name, value] of SECURITY_HEADERS) c.header(name, value);
  return next();
};
