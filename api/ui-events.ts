import type { Context } from "hono";
import { requestIdAt } from "../contract/request-id.ts";
import { UI_EVENT_LENGTH } from "../contract/ui-event-row.ts";
import type { UiEvent } from "../contract/ui-event.ts";
import { redactSecrets } from "./middleware/redact.ts";
import { originOf } from "./origin.ts";

/** An event as a client sends it, checked (routes/events.ts). */
export interface SentEvent {
  readonly [field: string]: unknown;
  readonly event_id?: string | undefined; // UUIDv7
  readonly name: string;
  readonly page?: string | undefined;
  readonly session_id?: string | undefined;
  readonly properties?: Readonly<Record<string, unknown>> | undefined;
}

export type ToUiEvent = (c: Context, sent: SentEvent) => UiEvent;

/** Unix ms inside a UUIDv7. */
export const timeOf = (id: string): number => parseInt(id.slice(0, 8) + id.slice(9, 13), 16);

/**
 * Makes the record of an event.
 * @param redact whether secrets in page and properties become `***`, as in request logs
 */
export function uiEventMaker({
  userOf,
  redact,
}: {
  readonly userOf: (c: Context) => string | undefined;
  readonly redact: boolean;
}): ToUiEvent {
  const clean = redact ? redactSecrets : (text: string) => text;
  return function toUiEvent(c, { event_id, name, page, session_id, properties }) {
    const id = event_id?.toLowerCase() ?? requestIdAt(Date.now());
    const { request_id, run_id } = originOf(c);
    return {
      ...{ v: 1, event_id: id, timestamp: new Date(timeOf(id)).toISOString(), name },
      page: page === undefined ? undefined : clean(page).slice(0, UI_EVENT_LENGTH.page),
      session_id,
      user_id: userOf(c)?.slice(0, UI_EVENT_LENGTH.user_id),
      ...{ run_id, request_id },
      properties: redact ? redacted(properties) : properties,
    };
  };
}

/** Texts without secrets; names of fields stay. */
function redacted(properties: SentEvent["properties"]): SentEvent["properties"] {
  if (properties === undefined) return undefined;
  return JSON.parse(JSON.stringify(properties), (_key, value: unknown) =>
    typeof value === "string" ? redactSecrets(value) : value,
  ) as Record<string, unknown>;
}
