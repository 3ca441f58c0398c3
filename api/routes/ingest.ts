import { OpenAPIHono, z } from "@hono/zod-openapi";
import { Hono, type Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { APP_LOG } from "../../contract/app-log.ts";
import { REQUEST_LOG } from "../../contract/request-log.ts";
import { bodyOf, MAX_BODY_BYTES, MAX_INFLATED_BYTES } from "../ingest/body.ts";
import { checkAppLog, checkRequestLog } from "../ingest/check.ts";
import { MAX_RECORDS, type Candidate, type Intake } from "../ingest/intake.ts";
import { itemsOfJson, itemsOfLines, type Item, type Items } from "../ingest/log-lines.ts";
import { json, problem, Problem } from "../problem.ts";

const MAX_ERRORS = 100;
/** Of the buffer half is free again sooner than that, unless Kafka is away. */
export const RETRY_AFTER_S = 1;

const Report = z
  .object({
    accepted: z.int().openapi({ description: "Records that will be rows" }),
    rejected: z
      .int()
      .openapi({ description: "Records that never can be; sending them again changes nothing" }),
    errors: z
      .array(
        z.object({
          line: z.int().optional().openapi({ description: "From 1, of newline-delimited JSON" }),
          index: z.int().optional().openapi({ description: "From 0, of a JSON array" }),
          reason: z.string(),
        }),
      )
      .openapi({ description: `Why records were rejected, the first ${MAX_ERRORS}` }),
    not_taken: z.int().optional().openapi({ description: "Only with 503: records that were not looked at" }),
    not_taken_from: z.int().optional().openapi({
      description: "Only with 503: line or index of the first of them; send it and all behind it again",
    }),
  })
  .openapi("Report");
type Report = z.infer<typeof Report>;

/** `POST /ingest/logs`: request logs and application logs of any program; whoever mounts it guards `/ingest/*`. */
export function ingestRoutes(intake: Intake): Hono {
  const routes = new OpenAPIHono();
  routes.post("/ingest/logs", async (c) => {
    const body = await bodyOf(c);
    if (body instanceof Response) return body;
    const found = itemsIn(c, body);
    if (found instanceof Response) return found;
    const { unit, items } = found;
    if (items.length > MAX_RECORDS)
      return problem(
        c,
        413,
        "TOO_MANY_RECORDS",
        `a request may bring ${MAX_RECORDS} records, and this one has ${items.length}; send them in parts`,
      );
    const nowMs = Date.now();
    const candidates = items.map((item) => candidateOf(item, intake, nowMs));
    const looked = await intake.take(candidates);
    return answer(c, { unit, items }, candidates, looked);
  });
  document(routes);
  routes.doc31("/ingest/openapi.json", DOCUMENT);
  const undocumented = new Hono(); // in the shop's document, whose every operation `rushhour quick` tries
  undocumented.route("/", routes);
  return undocumented;
}

function itemsIn(c: Context, body: Buffer): Items | Response {
  const mediaType = /^[^;\s]*/.exec(c.req.header("content-type") ?? "")![0].toLowerCase();
  const text = body.toString("utf8");
  switch (mediaType) {
    case "application/x-ndjson":
    case "application/ndjson":
      return itemsOfLines(text);
    case "application/json":
      try {
        return itemsOfJson(text);
      } catch {
        return problem(c, 400, "BODY_NOT_JSON", "the body is not JSON");
      }
    default:
      return problem(
        c,
        415,
        "MEDIA_TYPE_UNKNOWN",
        "the body must be application/x-ndjson (a record a line) or application/json (an object, or an array)",
      );
  }
}

/** A record says what it is by `kind`; without it a request log is told by these three. */
function candidateOf(item: Item, intake: Intake, nowMs: number): Candidate {
  if ("reason" in item) return item;
  const { fields } = item;
  const isRequestLog = ["endpoint", "method", "status_code"].some((name) => fields[name] !== undefined);
  switch (fields["kind"] ?? (isRequestLog ? "request_log" : "app_log")) {
    case "request_log":
      return intake.candidate(REQUEST_LOG, checkRequestLog(fields, nowMs));
    case "app_log":
      return intake.candidate(APP_LOG, checkAppLog(fields, nowMs));
    default:
      return { reason: 'kind must be "request_log" or "app_log"' };
  }
}

function answer(
  c: Context,
  { unit, items }: Items,
  candidates: readonly Candidate[],
  looked: number,
): Response {
  const rejections = candidates
    .slice(0, looked)
    .flatMap((candidate, n) =>
      typeof candidate === "object" && "reason" in candidate ? [{ candidate, n }] : [],
    );
  const rejected = rejections.length;
  const errors = rejections
    .slice(0, MAX_ERRORS)
    .map(({ candidate: { reason }, n }) => ({ [unit]: items[n]!.at, reason }));
  const report: Report = { accepted: looked - rejected, rejected, errors };
  if (looked < candidates.length) {
    c.header("retry-after", String(RETRY_AFTER_S));
    const rest = { not_taken: candidates.length - looked, not_taken_from: items[looked]!.at };
    return reported(c, 503, "UNAVAILABLE", { ...report, ...rest });
  }
  if (rejected === 0) return c.json(report, 202);
  if (report.accepted > 0) return c.json(report, 207);
  return reported(c, 400, "INVALID_REQUEST", report);
}

/** Not every record: the log gets the first reason. */
function reported(c: Context, status: ContentfulStatusCode, name: string, report: Report): Response {
  const message = report.errors[0]?.reason ?? `no room for ${report.not_taken ?? 0} records`;
  c.error = Object.assign(new HTTPException(status, { message }), { name });
  return c.json(report, status);
}

function document({ openAPIRegistry }: OpenAPIHono): void {
  openAPIRegistry.registerComponent("securitySchemes", "ingestToken", { type: "http", scheme: "bearer" });
  const records = z
    .object({})
    .loose()
    .openapi({ description: "See docs/records.md for what becomes of each field" });
  openAPIRegistry.registerPath({
    method: "post",
    path: "/ingest/logs",
    tags: ["ingestion"],
    summary: "Request logs and application logs, up to 10,000",
    security: [{ ingestToken: [] }, {}], // without a token for this machine only
    request: {
      body: {
        content: {
          "application/x-ndjson": { schema: z.string().openapi({ description: "A record a line" }) },
          "application/json": { schema: z.union([records, z.array(records)]) },
        },
      },
    },
    responses: {
      202: json(Report, "All were taken"),
      207: json(Report, "Some were rejected"),
      400: json(z.union([Report, Problem]), "None is valid, or the body is not what it says it is"),
      401: json(Problem, "The token is missing or wrong"),
      403: json(Problem, "Without a token set, for programs of this machine only"),
      413: json(
        Problem,
        `More than ${MAX_BODY_BYTES} bytes, ${MAX_INFLATED_BYTES} inflated, or ${MAX_RECORDS} records`,
      ),
      415: json(Problem, "Another media type, or another compression than gzip"),
      429: json(Problem, "More requests than API_INGEST_RATE; `retry-after` says when to come back"),
      503: json(Report, "No room for all; `retry-after` says when to send the rest again"),
    },
  });
}

const DOCUMENT = {
  openapi: "3.1.0",
  info: {
    title: "rushhour: ingestion",
    version: "1.0.0",
    description:
      "Logs of any program. OTLP/HTTP has its own description: https://opentelemetry.io/docs/specs/otlp/",
  },
};
