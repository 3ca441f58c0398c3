import { RushhourError } from "../../contract/errors.ts";
import { stream } from "../../contract/random.ts";
import type { Answer, Journey, SessionContext, Step, Steps } from "./journey.ts";
import { namesIn, readDocument } from "./openapi/document.ts";
import type { Operation, Parameter } from "./openapi/document.ts";
import { idsIn, singularOf } from "./openapi/ids.ts";
import { matches } from "./openapi/matches.ts";
import { collectionOf, replaced } from "./openapi/references.ts";
import { bodyTypeOf, drawRequest, examplesOf, isJson } from "./openapi/request.ts";
import type { Drawn, Fixed, Ids } from "./openapi/request.ts";
import { credentialsOf } from "./openapi/security.ts";
import { drawValue, hasValue } from "./openapi/values.ts";

export { parseDocument } from "./openapi/document.ts";

/** Plain data, so that it goes to worker threads as it is. */
export interface OpenapiOptions {
  readonly seed: number;
  readonly methods?: readonly string[]; // upper case; default: all
  readonly baseFolder?: string; // what references to files are relative to; default: there may be none
  /** By the name of a security scheme: the key or token, `user:password` for basic. */
  readonly auth?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>; // lower-case names; with every request
}

export interface OpenapiJourneys {
  readonly journeys: readonly Journey[];
  /** The first server's URL, variables at their defaults; may be relative to where the document came from. */
  readonly server: string | undefined;
  readonly warnings: readonly string[];
  readonly operations: readonly {
    readonly method: string;
    readonly path: string; // template
    readonly name: string;
    readonly example: Step;
  }[];
}

/** Proxies and servers refuse it, and browsers never send it. */
const NOT_SENT = ["TRACE"];

/** An operation with what its requests need, found once. */
interface Target {
  readonly operation: Operation;
  readonly fixed: Fixed;
  readonly planned: unknown; // a body that it may answer with
  readonly hasJson: boolean; // as an answer
}

/** Where ids of a collection may be had: asked first to last. */
interface Collection {
  readonly name: string; // last segment of the path
  readonly targets: readonly Target[];
}

/** Where ids for a path parameter may be had: the collection above it. */
interface IdSource {
  readonly position: number; // of the parameter in the path
  readonly parameter: string;
  readonly collection: Collection;
}

/** By the singular of their names: where ids for values in a JSON body may be had. */
type Collections = ReadonlyMap<string, Collection>;

/** What is sent for a body's ids is not linked itself: two collections may refer to each other. */
const UNLINKED: Collections = new Map();

/**
 * Makes a journey that sends valid requests for every operation of an OpenAPI 3.0 or 3.1 document: first each once,
 * in the document's order, then any, as likely as the others. Before an operation on one thing (`/orders/{id}`) it asks
 * the collection above for an id that exists (`GET /orders`, else `POST /orders`; before a DELETE or POST the other way
 * round), and before one whose body has a `product_id` the collection of that name.
 * @throws RushhourError CONFIG_INVALID naming every problem
 */
export async function openapiJourneys(document: unknown, options: OpenapiOptions): Promise<OpenapiJourneys> {
  const api = await readDocument(document, options.baseFolder);
  const operations = chosen(api.operations, options.methods);
  const credentials = credentialsOf(api, operations, options);
  const targets = operations.map((operation) => ({
    operation,
    fixed: credentials.fixedFor(operation),
    planned: plannedAnswer(operation, options.seed),
    hasJson: Object.values(operation.responses).some(({ content }) => Object.keys(content).some(isJson)),
  }));
  const collections = collectionsOf(targets);
  const idSources = new Map(targets.map((target) => [target, idSourcesOf(target.operation, targets)]));
  return {
    journeys: [
      {
        name: "every operation",
        weight: 1,
        *steps(session) {
          const target = targets[session.iteration] ?? session.rng.pick(targets);
          yield* visit(target, idSources.get(target)!, collections, session);
        },
      },
    ],
    server: api.server,
    warnings: [...credentials.warnings, ...operations.flatMap(warningsOf)],
    operations: targets.map(({ operation, fixed }) => {
      const { method, path, name } = operation;
      return {
        method,
        path,
        name,
        example: drawRequest(operation, fixed, stream(options.seed, name)).step(),
      };
    }),
  };
}

function chosen(
  operations: readonly Operation[],
  methods: readonly string[] | undefined,
): readonly Operation[] {
  const sent = operations.filter(({ method }) => !NOT_SENT.includes(method));
  const wanted = sent.filter(({ method }) => methods?.includes(method) ?? true);
  if (wanted.length > 0) return wanted;
  const known = [...new Set(sent.map(({ method }) => method))].join(", ");
  throw new RushhourError(
    "CONFIG_INVALID",
    known === ""
      ? "the OpenAPI document has no operation that could be sent; its paths need methods such as get or post"
      : `--methods ${methods?.join(",") ?? ""} leaves no operation of the OpenAPI document; it has ${known}`,
  );
}

/** One operation, and before it what finds ids for its path and body. */
function* visit(
  target: Target,
  idSources: readonly IdSource[],
  collections: Collections,
  session: SessionContext,
): Steps {
  const request = drawRequest(target.operation, target.fixed, session.rng);
  const ids: unknown[] = [];
  for (const { position, parameter, collection } of idSources) {
    const point = session.rng.float();
    const existing = yield* existingIds(collection, parameter, ids, collections, session);
    ids[position] = existing[Math.floor(point * existing.length)];
  }
  const json = yield* existingReferences(target, request, collections, session);
  yield* send(target, request.step(ids, json), session);
}

/** Asks a collection for ids, until one of its operations answers with some. */
function* existingIds(
  { name, targets }: Collection,
  parameter: string,
  ids: Ids,
  collections: Collections,
  session: SessionContext,
): Steps<readonly unknown[]> {
  for (const target of targets) {
    const request = drawRequest(target.operation, target.fixed, session.rng, true);
    const json = yield* existingReferences(target, request, collections, session);
    const answer = yield* send(target, { ...request.step(ids, json), capture: true }, session);
    const existing = idsIn(answer, parameter, name);
    if (existing.length > 0) return existing;
  }
  return [];
}

/** The request's JSON with ids that exist wherever its schema allows them. */
function* existingReferences(
  { operation }: Target,
  { json }: Drawn,
  collections: Collections,
  session: SessionContext,
): Steps<unknown> {
  const own = singularOf(operation.path.split("/").findLast((segment) => !segment.startsWith("{")) ?? "");
  const referred = new Set<string>();
  replaced(json, (key) => referred.add(collectionOf(key, collections.keys()) ?? own));
  referred.delete(own); // the id of what the body itself is
  const schema = operation.requestBody?.content[bodyTypeOf(operation) ?? ""]?.schema ?? true;
  let linked = json;
  for (const name of referred) {
    const point = session.rng.float();
    const ids = yield* existingIds(collections.get(name)!, `${name}_id`, [], UNLINKED, session);
    if (ids.length === 0) continue;
    let next = Math.floor(point * ids.length);
    const candidate = replaced(linked, (key, value) => {
      if (collectionOf(key, collections.keys()) !== name) return value;
      const id = ids[next++ % ids.length]; // several in one body differ
      return typeof value === "string" ? String(id) : id;
    });
    if (matches(schema, candidate)) linked = candidate;
  }
  return linked;
}

function* send(
  { operation, planned, hasJson }: Target,
  request: Step,
  session: SessionContext,
): Steps<Answer> {
  const capture = request.capture === true || (hasJson && operation.method !== "HEAD");
  const answer = yield { ...request, capture, ...(planned !== undefined && { planned }) };
  const documented = responseFor(operation, answer.status);
  session.check("documented status", documented !== undefined);
  const types = Object.keys(documented?.content ?? {});
  if (capture && answer.too_large !== true && types.length > 0 && types.every(isJson)) {
    session.check(
      "documented JSON",
      isJson(answer.header("content-type") ?? "") && answer.json() !== undefined,
    );
  }
  return answer;
}

/** What the document says of answers with `status`: by the number, its class (`4XX`) or `default`. */
function responseFor({ responses }: Operation, status: number): Operation["responses"][string] | undefined {
  const range = `${Math.floor(status / 100)}XX`;
  return (
    responses[String(status)] ?? responses[range] ?? responses[range.toLowerCase()] ?? responses["default"]
  );
}

/** Those that can be asked without knowing an id: first by GET, then by making something. */
function collectionsOf(targets: readonly Target[]): Collections {
  const collections = new Map<string, Collection>();
  for (const target of ["GET", "POST"].flatMap((method) =>
    targets.filter(({ operation }) => operation.method === method),
  )) {
    const { path } = target.operation;
    const name = path.split("/").findLast((segment) => segment !== "");
    if (name === undefined || path.includes("{")) continue;
    const known = collections.get(singularOf(name));
    collections.set(singularOf(name), { name, targets: [...(known?.targets ?? []), target] });
  }
  return collections;
}

function idSourcesOf(operation: Operation, targets: readonly Target[]): readonly IdSource[] {
  // what acts on a thing may do so once: it gets a new one
  const methods = ["DELETE", "POST"].includes(operation.method) ? ["POST", "GET"] : ["GET", "POST"];
  const segments = operation.path.split("/");
  return namesIn(operation.path).flatMap((parameter, position) => {
    const at = segments.indexOf(`{${parameter}}`);
    const name = segments[at - 1] ?? "";
    const declared = operation.parameters.find((one) => one.in === "path" && one.name === parameter);
    if (at < 1 || name === "" || (declared !== undefined && examplesOf(declared).length > 0)) return [];
    const shape = shapeOf(segments.slice(0, at).join("/"));
    const above = targets.filter(
      (one) => one.operation !== operation && shapeOf(one.operation.path) === shape,
    );
    const sources = methods.flatMap((method) => above.filter((one) => one.operation.method === method));
    return sources.length > 0 ? [{ position, parameter, collection: { name, targets: sources } }] : [];
  });
}

/** A path template without the names of its parameters. */
function shapeOf(path: string): string {
  return path.replaceAll(/\{[^{}]+\}/g, "{}").replace(/(.)\/$/, "$1");
}

/** An example of the JSON that the operation answers when all goes well. */
function plannedAnswer({ name, responses }: Operation, seed: number): unknown {
  const status = Object.keys(responses).find((one) => /^2/.test(one)) ?? "default";
  const media = Object.entries(responses[status]?.content ?? {}).find(([type]) => isJson(type))?.[1];
  if (media === undefined) return undefined;
  const rng = stream(seed, `answer to ${name}`);
  return examplesOf(media)[0] ?? drawValue(media.schema, rng, "response");
}

/** What of an operation cannot be sent as the document has it. */
function warningsOf(operation: Operation): readonly string[] {
  const { name, parameters, requestBody } = operation;
  const type = bodyTypeOf(operation);
  const hasNoValue = ({ required, schema, content }: Parameter) =>
    required && content === undefined && !hasValue(schema);
  return [
    ...parameters
      .filter(hasNoValue)
      .map((one) => `${name}: no value keeps the rules of ${one.in} ${one.name}`),
    ...(requestBody !== undefined && type === undefined
      ? [`${name}: no body is made for ${Object.keys(requestBody.content).join(", ")}; sent without`]
      : []),
    ...(type !== undefined && !hasValue(requestBody?.content[type]?.schema)
      ? [`${name}: no value keeps the rules of its body; sent without`]
      : []),
  ];
}
