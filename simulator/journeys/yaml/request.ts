import { z } from "zod";
import type { Step } from "../journey.ts";
import type { Compiler } from "./compiler.ts";
import { captures, checks } from "./answer.ts";
import { Stop } from "./frame.ts";
import type { Frame } from "./frame.ts";
import { shown } from "../../scenario/problems.ts";
import type { Path } from "../../scenario/problems.ts";
import { VariableName } from "./scope.ts";
import { constantText, outline, textTemplate } from "./template.ts";
import type { Render, Template } from "./template.ts";
import { json } from "./values.ts";

export const METHODS = ["get", "post", "put", "patch", "delete", "head", "options"] as const;
const WITHOUT_BODY = ["GET", "HEAD"];

/** Header values as they are computed, by lower-case name. */
export type Headers = ReadonlyMap<string, Render>;

const scalar = z.union([z.string(), z.number(), z.boolean()], "must be a text or a number");
const headerName = "must be the name of a header";
const HeaderMap = z.record(
  z.string().regex(/^[!#$%&'*+.^_`|~\w-]+$/, headerName),
  scalar,
  "must be a map of header names to values",
);

const pathRule = "must be a path such as /products; the server's address stands under target:";
const nameRule = "must be a plain text: figures are kept for each name, so names must be few";
const methodRule = "must be an HTTP method in capitals, such as GET";
const Common = {
  name: z
    .string(nameRule)
    .min(1, nameRule)
    .refine((name) => !name.includes("${"), nameRule)
    .optional(),
  headers: HeaderMap.optional(),
  check: z.record(z.string(), z.unknown(), "must be a map such as {status: 200}").optional(),
  capture: z.record(VariableName, z.unknown(), "must be a map such as {id: $.id}").optional(),
  json: z.unknown().optional(),
  form: z.record(z.string(), scalar, "must be a map of fields to values").optional(),
  body: z.string("must be a text; a JSON body stands under json:").optional(),
  planned: z.unknown().optional(),
};
const Explicit = z.strictObject({
  request: z.strictObject(
    { method: z.string(methodRule).regex(/^[A-Z]+$/, methodRule), path: z.string(pathRule) },
    "must be a map such as {method: GET, path: /products}",
  ),
  ...Common,
});
const Shorthand = Object.fromEntries(
  METHODS.map((method) => [method, z.strictObject({ [method]: z.string(pathRule), ...Common })]),
);

/** `get: /path` and so on, or `request: {method, path}`: sends it, checks the answer and captures from it. */
export function request(compiler: Compiler, step: Record<string, unknown>, path: Path): void {
  const key = METHODS.find((method) => method in step);
  const schema = key === undefined ? Explicit : Shorthand[key]!;
  const shape = compiler.problems.read(schema, step, path) as Partial<z.output<typeof Explicit>> | undefined;
  if (shape === undefined) {
    declareCaptured(compiler, step);
    return;
  }
  const method = key?.toUpperCase() ?? shape.request!.method;
  const [text, textPath] =
    key === undefined
      ? [shape.request!.path, [...path, "request", "path"]]
      : [step[key] as string, [...path, key]];

  const computedBefore = compiler.computed;
  const template = compiler.template(text, textPath);
  const name = shape.name ?? `${method} ${routeOf(template)}`;
  const renderPath = pathTemplate(compiler, template, text, name, textPath);
  const body = bodyTemplate(compiler, step, shape, method, path);
  const headers = new Map([
    ...(body?.contentType === undefined ? [] : [["content-type", () => body.contentType!] as const]),
    ...compiler.headers,
    ...headerTemplates(compiler, shape.headers, [...path, "headers"]),
  ]);
  const isFixed = compiler.computed === computedBefore && !compiler.hasComputedHeaders;

  const { keepsBody, received } = answered(compiler, shape, name, path);
  const make = (frame: Frame): Step => ({
    method,
    path: renderPath(frame),
    name,
    ...(headers.size > 0 && { headers: rendered(headers, frame) }),
    ...(body !== undefined && { body: body.render(frame) }),
    ...((keepsBody || compiler.keepsBodies) && { capture: true }),
    ...("planned" in step && { planned: step["planned"] }),
  });
  let fixed: Step | undefined;
  const render = isFixed ? (frame: Frame) => (fixed ??= make(frame)) : make;
  compiler.program.push({ kind: "request", render, planned: "planned" in step, received });
}

/** What is done with the answer, and whether that takes its body. */
function answered(
  compiler: Compiler,
  shape: Partial<z.output<typeof Explicit>>,
  name: string,
  path: Path,
): { keepsBody: boolean; received: (frame: Frame) => void } {
  const readsBefore = compiler.scope.bodyReads;
  const check = checks(compiler, shape.check ?? {}, name, [...path, "check"]);
  const capture = captures(compiler, shape.capture ?? {}, "planned" in shape, [...path, "capture"]);
  const reads = compiler.scope.bodyReads - readsBefore;
  compiler.readsAtOnce += reads;
  return {
    keepsBody: reads > 0,
    received: (frame) => {
      check(frame);
      capture(frame);
    },
  };
}

/** A broken request still sets its variables, so that they are not reported as unknown as well. */
function declareCaptured({ scope }: Compiler, { capture }: Record<string, unknown>): void {
  if (typeof capture === "object" && capture !== null)
    for (const name of Object.keys(capture)) scope.declare(name);
}

/** The template without its query, `${x}` as `{x}`: one name for all requests of the step. */
function routeOf(template: Template): string {
  const query = template.findIndex((part) => typeof part === "string" && part.includes("?"));
  if (query === -1) return outline(template);
  const last = template[query] as string;
  return outline([...template.slice(0, query), last.slice(0, last.indexOf("?"))]);
}

const encode = (text: string) => encodeURIComponent(text.toWellFormed());

/** Values in it are percent-encoded; but one at its beginning is the path itself, such as a Location header. */
function pathTemplate(
  compiler: Compiler,
  template: Template,
  text: string,
  name: string,
  path: Path,
): Render {
  const [first, ...rest] = template;
  if (template.some((part) => typeof part === "string" && !/^[\x21\x22\x24-\x7e]*$/.test(part))) {
    compiler.problems.report(
      path,
      `${shown(text)} must not hold blanks, # or other than ASCII; percent-encode them`,
    );
  }
  if (typeof first !== "object") {
    if (first?.startsWith("/") === false || text === "")
      compiler.problems.report(path, `${shown(text)} ${pathRule}`);
    return textTemplate(template, encode);
  }
  const [start, end] = [textTemplate([first]), textTemplate(rest, encode)];
  const noPath = new Stop(`path of ${name}`);
  return (frame) => {
    const whole = start(frame).replace(/^https?:\/\/[^/?#]+/i, "") + end(frame);
    if (!frame.session.planning && !/^\/[\x21\x22\x24-\x7e]*$/.test(whole)) throw noPath;
    return whole;
  };
}

interface Body {
  readonly contentType: string | undefined;
  readonly render: Render;
}

function bodyTemplate(
  compiler: Compiler,
  step: object,
  { form, body }: Partial<z.output<typeof Explicit>>,
  method: string,
  path: Path,
): Body | undefined {
  const [kind, second] = (["json", "form", "body"] as const).filter((key) => key in step);
  if (kind === undefined) return undefined;
  if (second !== undefined)
    compiler.problems.report([...path, second], `must not stand beside ${kind}:; a request has one body`);
  if (WITHOUT_BODY.includes(method))
    compiler.problems.report([...path, kind], `must not stand here: a ${method} request has no body`);
  if (kind === "json") {
    const evaluate = json(compiler, (step as { json: unknown }).json, [...path, "json"]);
    return { contentType: "application/json", render: (frame) => JSON.stringify(evaluate(frame)) };
  }
  if (kind === "body") {
    return { contentType: undefined, render: textTemplate(compiler.template(body!, [...path, "body"])) };
  }
  const fields = Object.entries(form!).map(([field, value]) => {
    const render = textTemplate(compiler.template(String(value), [...path, "form", field]));
    return (frame: Frame) => `${encode(field)}=${encode(render(frame))}`;
  });
  return {
    contentType: "application/x-www-form-urlencoded",
    render: (frame) => fields.map((field) => field(frame)).join("&"),
  };
}

/** Headers of every request of the journey; they may use variables and data. */
export function commonHeaders(compiler: Compiler, definition: unknown, path: Path): void {
  const shape = definition === undefined ? {} : compiler.problems.read(HeaderMap, definition, path);
  const computedBefore = compiler.computed;
  compiler.headers = headerTemplates(compiler, shape, path);
  compiler.hasComputedHeaders = compiler.computed > computedBefore;
}

const NOT_IN_HEADER = /[^\t\x20-\x7e\x80-\xff]/;

function headerTemplates(
  compiler: Compiler,
  definition: Readonly<Record<string, string | number | boolean>> | undefined,
  path: Path,
): Headers {
  return new Map(
    Object.entries(definition ?? {}).map(([name, value]) => {
      const template = compiler.template(String(value), [...path, name]);
      const render = textTemplate(template);
      const constant = constantText(template);
      if (constant !== undefined) {
        if (NOT_IN_HEADER.test(constant)) {
          compiler.problems.report(
            [...path, name],
            `${shown(value)} must hold no line breaks and no other than Latin-1 characters`,
          );
        }
        return [name.toLowerCase(), render];
      }
      const broken = new Stop(`header ${name.toLowerCase()}`);
      const checked = (frame: Frame) => {
        const text = render(frame);
        if (NOT_IN_HEADER.test(text)) throw broken;
        return text;
      };
      return [name.toLowerCase(), checked];
    }),
  );
}

function rendered(headers: Headers, frame: Frame): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [name, render] of headers) values[name] = render(frame);
  return values;
}
