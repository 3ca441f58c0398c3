import type { ServerResponse } from "node:http";
import type { Context } from "hono";
import { MAX_LENGTH } from "../contract/request-log.ts";
import { pseudonym } from "./middleware/redact.ts";

/** What a record says of the request that brought it about, as the request's own record does. */
export interface Origin {
  readonly request_id?: string | undefined; // none without a socket
  readonly trace_id?: string | undefined;
  readonly run_id?: string | undefined;
}

export function originOf(c: Context): Origin {
  const outgoing = (c.env as { outgoing?: ServerResponse } | undefined)?.outgoing;
  const requestId = outgoing?.getHeader("x-request-id");
  return {
    request_id: typeof requestId === "string" ? requestId : undefined,
    trace_id: /^[\da-f]{2}-([\da-f]{32})-/.exec(c.req.header("traceparent") ?? "")?.[1],
    run_id: c.req.header("x-run-id")?.slice(0, MAX_LENGTH.run_id),
  };
}

/** What is kept of user ids, in events as in request logs. */
export type UserIds = "keep" | "drop" | { readonly hashKey: string };

export function shownUser(userId: string | undefined, userIds: UserIds): string | undefined {
  if (userId === undefined || userIds === "drop") return undefined;
  return userIds === "keep" ? userId : pseudonym(userId, userIds.hashKey);
}
