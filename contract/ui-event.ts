import type { RecordKind } from "./record-kind.ts";

/** Somebody pressed a button of a page: a UTF-8 JSON object on `ui-events`. */
export interface UiEvent {
  readonly v: 1;
  readonly event_id: string; // UUIDv7, the page's or the server's
  readonly timestamp: string; // ISO 8601 with ms and Z: the ms inside event_id, so an event that is sent again has the same identity
  readonly name: string; // such as buy-now, see EVENT_NAME
  readonly page?: string | undefined; // path of the page
  readonly session_id?: string | undefined; // of the browser's tab
  readonly user_id?: string | undefined; // who is signed in
  readonly run_id?: string | undefined;
  readonly request_id?: string | undefined; // of the request that brought it
  readonly properties?: Readonly<Record<string, unknown>> | undefined; // free, see propertiesProblem
}

const TO = { topic: "ui-events", level: "INFO" } as const;

export const UI_EVENT: RecordKind<UiEvent> = {
  name: "ui_event",
  topics: [TO.topic],
  destinationOf: () => TO,
};

/** Names that metrics know from the start, and the words other systems have for them. */
export const FUNNY_EVENT = "enroll-now";
export const SERIOUS_EVENT = "buy-now";

/** Small Latin letters, digits and hyphens, as in buy-now. */
export const EVENT_NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;
export const EVENT_NAME_RULE = "up to 64 small letters a-z, digits and hyphens, such as buy-now";

/** The name of the event of a button: "Café: order!" is cafe-order. Empty when nothing of the label can be in a name. */
export function nameOfLabel(label: string): string {
  const letters = label.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  return letters
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 64)
    .replace(/^-|-$/g, "");
}

/** What is free in an event has an end: as JSON, and because neither MySQL nor MariaDB takes JSON of any depth. */
export const MAX_PROPERTIES_CHARACTERS = 4_096;
const MAX_PROPERTIES_DEPTH = 10;

/** The rule that properties break, or undefined. */
export function propertiesProblem(properties: object): string | undefined {
  if (isDeeper(properties, MAX_PROPERTIES_DEPTH))
    return `must be nested ${MAX_PROPERTIES_DEPTH} levels deep at most`;
  if (JSON.stringify(properties).length > MAX_PROPERTIES_CHARACTERS)
    return `must have ${MAX_PROPERTIES_CHARACTERS} characters at most as JSON`;
  return undefined;
}

const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === "object" &&
  value !== null &&
  (levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1)));
