import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { UI_EVENT_LENGTH } from "../../contract/ui-event-row.ts";
import {
  EVENT_NAME,
  EVENT_NAME_RULE,
  FUNNY_EVENT,
  propertiesProblem,
  SERIOUS_EVENT,
  UI_EVENT,
  type UiEvent,
} from "../../contract/ui-event.ts";
import type { Publisher } from "../../producer/publisher.ts";
import { jsonBody } from "../json-body.ts";
import { FAULTS, json, problem, PROBLEMS } from "../problem.ts";
import { timeOf, type SentEvent, type ToUiEvent } from "../ui-events.ts";

/** Events in one request. */
export const MAX_EVENTS = 100;

/** Whoever sends an event again may do so for a day; a clock may be ahead by minutes. Beyond, the row would not be kept, or never be made. */
const OLDEST_MS = 86_400_000;
const AHEAD_MS = 300_000;

const isInTime = (id: string): boolean => {
  const agoMs = Date.now() - timeOf(id);
  return agoMs <= OLDEST_MS && agoMs >= -AHEAD_MS;
};

const ID = "must be a UUIDv7 of the last 24 hours, at most 5 minutes ahead of the server's clock";
const eventId = z.uuidv7(ID).refine(isInTime, ID).optional();

const SESSION = "must be 1 to 64 printable characters without a space";
const NAME = `must be ${EVENT_NAME_RULE}`;

const details = {
  page: z
    .string("must be a text")
    .max(UI_EVENT_LENGTH.page, `must have ${UI_EVENT_LENGTH.page} characters at most`)
    .optional()
    .openapi({ example: "/ui" }),
  session_id: z
    .string(SESSION)
    .regex(/^[\x21-\x7e]{1,64}$/, SESSION)
    .optional(),
  properties: z
    .record(z.string(), z.unknown(), "must be an object")
    .superRefine((properties, context) => {
      const rule = propertiesProblem(properties);
      if (rule !== undefined) context.addIssue({ code: "custom", message: rule });
    })
    .optional()
    .openapi({
      type: "object",
      description: "Anything else, up to 4,096 characters of JSON, 10 levels deep",
    }),
};

/**
 * Checks `event_id` and that there is no other field. Not in the document: an id that follows the document alone would hardly be of the last
 * 24 hours.
 */
function checkId(event: Readonly<Record<string, unknown>>, context: z.RefinementCtx): void {
  const report = (field: string, message: string) =>
    context.addIssue({ code: "custom", path: [field], message });
  if (!eventId.safeParse(event["event_id"]).success) report("event_id", ID);
  const known = new Set(["event_id", "name", ...Object.keys(details)]);
  for (const field of Object.keys(event))
    if (!known.has(field)) report(field, "is not known; put it into properties");
}

const OBJECT = "must be an object";
const NewEvent = z
  .looseObject(
    { ...details, name: z.string(NAME).regex(EVENT_NAME, NAME).openapi({ example: FUNNY_EVENT }) },
    OBJECT,
  )
  .superRefine(checkId)
  .openapi("NewEvent");

const COUNT = `must be one event or a list of 1 to ${MAX_EVENTS}`;
const NewEvents = z
  .preprocess(
    (body): unknown => (Array.isArray(body) ? body : [body]),
    z.array(NewEvent, COUNT).min(1, COUNT).max(MAX_EVENTS, COUNT),
  )
  .openapi("NewEvents", { description: `1 to ${MAX_EVENTS} events; one may stand without its list` });

/** An alias brings the name. */
const Details = z.looseObject(details, OBJECT).superRefine(checkId).openapi("EventDetails");

const Outcomes = z
  .object({
    events: z.array(
      z.object({
        event_id: z.string(),
        status: z.int().openapi({ enum: [202, 503], description: "202: taken over; 503: send it again" }),
      }),
    ),
  })
  .openapi("EventOutcomes");

const about = { method: "post" as const, tags: ["events"], middleware: jsonBody };
const responses = {
  202: json(Outcomes, "Every event was taken over: each becomes one row of `ui_events`"),
  207: json(Outcomes, "Some were taken over; `retry-after` says when to send the others again"),
  400: PROBLEMS[400],
  413: PROBLEMS[413],
  415: PROBLEMS[415],
  ...FAULTS,
  503: FAULTS[503], // its type: a spread makes texts of numbers
};

const postEvents = createRoute({
  ...about,
  path: "/events",
  summary: "Say which buttons were pressed",
  description:
    "All of them are checked before the first is taken. An event may bring `event_id`, a UUIDv7 whose time is the event's, at most 24 hours " +
    "ago: sent again with it, it stays one event. Without, the server makes one.",
  request: { body: { required: true, content: { "application/json": { schema: NewEvents } } } },
  responses,
});

const alias = <Path extends string>(path: Path, name: string) =>
  createRoute({
    ...about,
    path,
    summary: `The event ${name}`,
    request: { body: { required: false, content: { "application/json": { schema: Details } } } },
    responses,
  });

/** Takes events: what is answered 202 becomes a row, what is not is the client's to send again. */
export function eventsRoutes(
  { publishOf, hasRoom }: Pick<Publisher, "publishOf" | "hasRoom">,
  toUiEvent: ToUiEvent,
): OpenAPIHono {
  const publish = publishOf(UI_EVENT);

  /** The publisher would count what it has no room for as lost; here it is sent again. One that comes twice is one row. */
  const handOver = async (event: UiEvent): Promise<boolean> => hasRoom() && publish(event);

  async function take(c: Context, sent: readonly SentEvent[]) {
    const events = await Promise.all(
      sent.map(async (one) => {
        const event = toUiEvent(c, one);
        return { event_id: event.event_id, status: (await handOver(event)) ? 202 : 503 };
      }),
    );
    const taken = events.filter(({ status }) => status === 202).length;
    if (taken === events.length) return c.json({ events }, 202);
    c.header("retry-after", "1");
    if (taken > 0) return c.json({ events }, 207);
    return problem(c, 503, "UNAVAILABLE", "events cannot be kept just now; send them again in a second");
  }

  return new OpenAPIHono()
    .openapi(postEvents, (c) => take(c, c.req.valid("json")))
    .openapi(alias("/producer/event/funny", FUNNY_EVENT), (c) =>
      take(c, [{ ...c.req.valid("json"), name: FUNNY_EVENT }]),
    )
    .openapi(alias("/producer/event/serious", SERIOUS_EVENT), (c) =>
      take(c, [{ ...c.req.valid("json"), name: SERIOUS_EVENT }]),
    );
}
