import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { Hono, type Context } from "hono";
import type { AuditEntry } from "../../contract/audit.ts";
import { faultSchemaOf, faultStateSchema, type FaultState as State } from "../../contract/faults.ts";
import { MAX_ACTIVE_FAULTS, type Faults } from "../faults.ts";
import { jsonBody } from "../json-body.ts";
import { json, problem, Problem, PROBLEMS, refuseInvalid } from "../problem.ts";
import { SHOP_ROUTES } from "../shop-routes.ts";

const Fault = faultSchemaOf(SHOP_ROUTES).openapi("Fault");
const FaultState = z.object(faultStateSchema.shape).openapi("FaultState"); // of the zod that knows OpenAPI, whoever loaded first

const LIST = `must be a list of up to ${MAX_ACTIVE_FAULTS} faults`;
const FaultList = z
  .strictObject(
    {
      faults: z
        .array(Fault, LIST)
        .max(MAX_ACTIVE_FAULTS, LIST)
        .refine(
          (faults) => new Set(faults.map(({ id }) => id)).size === faults.length,
          "must not repeat an id",
        ),
    },
    'must be an object such as {"faults": []}',
  )
  .openapi("FaultList");

const FaultStates = z.object({ faults: z.array(FaultState) });

const PATH = "/__admin/faults";
const ONE = `${PATH}/{id}`;
const Id = z.object({
  id: z.string().openapi({ param: { name: "id", in: "path" }, example: "payments-down" }),
});

const control = { tags: ["control"], security: [{ adminToken: [] }, {}] }; // without a token for this machine only
const refusals = {
  401: json(Problem, "The token is missing or wrong"),
  429: json(Problem, "Too many wrong tokens; `retry-after` says when the next one is looked at"),
  403: json(
    Problem,
    "Without API_ADMIN_TOKEN only this machine may, and only while the API listens to it alone",
  ),
};
const bodyRefusals = { 400: PROBLEMS[400], 413: PROBLEMS[413], 415: PROBLEMS[415] };

const bodyOf = <Schema extends z.ZodType>(schema: Schema) => ({
  body: { required: true, content: { "application/json": { schema } } },
});

const listFaults = createRoute({
  ...control,
  method: "get",
  path: PATH,
  summary: "Faults at work, and those of the last hour",
  responses: { 200: json(FaultStates, "Those at work first, in the order they came"), ...refusals },
});

const startFault = createRoute({
  ...control,
  method: "post",
  path: PATH,
  summary: "Start a fault, in place of the one with its id if there is one",
  middleware: jsonBody,
  request: bodyOf(Fault),
  responses: {
    201: json(FaultState, "Started"),
    409: json(Problem, `${MAX_ACTIVE_FAULTS} faults are at work already`),
    ...bodyRefusals,
    ...refusals,
  },
});

const replaceFaults = createRoute({
  ...control,
  method: "put",
  path: PATH,
  summary: "End all faults and start these",
  middleware: jsonBody,
  request: bodyOf(FaultList),
  responses: { 200: json(FaultStates, "Those that were started"), ...bodyRefusals, ...refusals },
});

const endFault = createRoute({
  ...control,
  method: "delete",
  path: ONE,
  summary: "End a fault; one that has ended stays as it is",
  request: { params: Id },
  responses: {
    200: json(FaultState, "Its final counts"),
    404: json(Problem, "No fault of the last hour has this id"),
    ...refusals,
  },
});

const endFaults = createRoute({
  ...control,
  method: "delete",
  path: PATH,
  summary: "End all faults",
  responses: { 200: json(FaultStates, "Those that this ended, with their final counts"), ...refusals },
});

const DOCUMENT = {
  openapi: "3.1.0",
  info: {
    title: "rushhour: control of the mock shop API",
    version: "1.0.0",
    description: "Makes requests to the shop slow or fail on purpose, for a time.",
  },
};

export type AuditFault = (
  c: Context,
  action: "fault.start" | "fault.end" | "fault.replace",
  target: string,
  result: AuditEntry["result"],
  detail: AuditEntry["detail"],
) => void;

/**
 * The fault control; whoever mounts it guards `/__admin/*`. It has a document of its own: who makes requests from the
 * shop's, such as `rushhour quick`, shall not break the shop with them.
 */
export function faultsRoutes(faults: Faults, audit: AuditFault): Hono {
  const routes = new OpenAPIHono({ defaultHook: refuseInvalid })
    .openapi(listFaults, (c) => c.json({ faults: faults.list() }, 200))
    .openapi(startFault, (c) => {
      const fault = c.req.valid("json");
      const state = faults.start(fault);
      audit(c, "fault.start", fault.id, state ? "done" : "refused", { ...fault });
      return state ? c.json(state, 201) : refuseMore(c);
    })
    .openapi(replaceFaults, (c) => {
      const ended = faults.endAll().map(({ id }) => id);
      const started = c.req.valid("json").faults.map((fault) => faults.start(fault)!); // there is room for so many
      audit(c, "fault.replace", "all", "done", { ended, started: started.map(({ id }) => id) });
      return c.json({ faults: started }, 200);
    })
    .openapi(endFault, (c) => {
      const { id } = c.req.valid("param");
      const state = faults.end(id);
      audit(c, "fault.end", id, state ? "done" : "refused", state ? countsOf(state) : {});
      return state
        ? c.json(state, 200)
        : problem(c, 404, "FAULT_UNKNOWN", `no fault of the last hour has the id ${id}`);
    })
    .openapi(endFaults, (c) => {
      const ended = faults.endAll();
      audit(c, "fault.end", "all", "done", { ended: ended.map(({ id }) => id) });
      return c.json({ faults: ended }, 200);
    });
  routes.openAPIRegistry.registerComponent("securitySchemes", "adminToken", {
    type: "http",
    scheme: "bearer",
  });
  routes.doc31("/__admin/openapi.json", DOCUMENT);
  const undocumented = new Hono();
  undocumented.route("/", routes);
  return undocumented;
}

function countsOf({ requests_seen, requests_affected }: State) {
  return { requests_seen, requests_affected };
}

function refuseMore(c: Context) {
  return problem(c, 409, "TOO_MANY_FAULTS", `${MAX_ACTIVE_FAULTS} faults are at work; end one first`);
}
