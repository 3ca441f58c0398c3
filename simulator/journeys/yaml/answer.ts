import { z } from "zod";
import { messageOf } from "../../../contract/errors.ts";
import type { Compiler } from "./compiler.ts";
import { Stop, textOf, Unknown } from "./frame.ts";
import type { Evaluate, Frame } from "./frame.ts";
import { jsonPath } from "./json-path.ts";
import { shown } from "../../scenario/problems.ts";
import type { Path } from "../../scenario/problems.ts";

/** What a request does with its answer: checks, which change nothing, and captures, which set variables. */

/** `check:` a status, and conditions by name. */
export function checks(
  compiler: Compiler,
  definition: Readonly<Record<string, unknown>>,
  request: string,
  path: Path,
): (frame: Frame) => void {
  const list = Object.entries(definition).map(([name, value]) => {
    if (name === "status") return statusCheck(compiler, value, request, [...path, name]);
    return { name, holds: compiler.expression(value, [...path, name]) };
  });
  return (frame) => {
    for (const { name, holds } of list) frame.session.check(name, Boolean(holds(frame)));
  };
}

const statusRule = "must be a status such as 200, a class such as 2xx, or a list of them";

function statusCheck(
  compiler: Compiler,
  value: unknown,
  request: string,
  path: Path,
): { name: string; holds: Evaluate } {
  const wanted = (Array.isArray(value) ? (value as unknown[]) : [value]).map(String);
  if (wanted.length === 0 || !wanted.every((one) => /^[1-5](?:\d\d|xx)$/.test(one))) {
    compiler.problems.report(path, `${shown(value)} ${statusRule}`);
  }
  const name = `${request}: status ${wanted.join(" or ")}`;
  return {
    name,
    holds: (frame) => {
      const status = String(frame.status());
      return wanted.some((one) => one === status || (one.endsWith("xx") && one[0] === status[0]));
    },
  };
}

/** Finds a value in an answer; undefined when it is not there. */
interface Source {
  readonly find: Evaluate;
  readonly from: "json" | "text" | "head";
}

const sourceRule = "must be a path such as $.items[0].id, header.location, status, or {regex: ...}";
const pathRule = "must be a path such as $.id";
const Path = z.strictObject({ path: z.string(pathRule), default: z.unknown().optional() });
const group = "must be the number or name of a group of the regex";
const Regex = z.strictObject({
  regex: z.string("must be a regular expression"),
  group: z.union([z.int().min(0), z.string()], group).optional(),
  default: z.unknown().optional(),
});

/**
 * `capture:` variables from the answer. One that is not found ends the iteration, unless it has a default.
 * @param planned whether the step itself says what a planned answer holds
 */
export function captures(
  compiler: Compiler,
  definition: Readonly<Record<string, unknown>>,
  planned: boolean,
  path: Path,
): (frame: Frame) => void {
  const list = Object.entries(definition).map(([name, value]) => {
    const source = sourceOf(compiler, value, [...path, name]);
    if (source.from !== "head") compiler.scope.bodyReads++;
    const given =
      typeof value === "object" && value !== null && "default" in value ? value.default : undefined;
    return { ...source, name, given, missing: new Stop(`capture ${name}`) };
  });
  const slots = list.map(({ name }) => compiler.scope.declare(name));
  return (frame) => {
    for (const [index, { name, find, from, given, missing }] of list.entries()) {
      const isUnknown = frame.session.planning && !(planned && from === "json");
      const value = isUnknown ? new Unknown(name) : (find(frame) ?? given);
      if (value === undefined) throw missing;
      frame.values[slots[index]!] = value;
    }
  };
}

function sourceOf(compiler: Compiler, value: unknown, path: Path): Source {
  if (typeof value === "string") return namedSource(compiler, value, path);
  if (typeof value === "object" && value !== null && "regex" in value) {
    const shape = compiler.problems.read(Regex, value, path);
    return shape === undefined ? NOWHERE : regexSource(compiler, shape.regex, shape.group, path);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const shape = compiler.problems.read(Path, value, path);
    return shape === undefined ? NOWHERE : namedSource(compiler, shape.path, [...path, "path"]);
  }
  compiler.problems.report(path, `${shown(value)} ${sourceRule}`);
  return NOWHERE;
}

const NOWHERE: Source = { find: () => undefined, from: "head" };

function namedSource(compiler: Compiler, text: string, path: Path): Source {
  if (text === "status") return { find: (frame) => frame.status(), from: "head" };
  const header = /^header\.(?<name>[!#$%&'*+.^_`|~\w-]+)$/.exec(text)?.groups?.["name"]?.toLowerCase();
  if (header !== undefined) return { find: (frame) => frame.header(header), from: "head" };
  const read = jsonPath(text);
  if (read !== undefined) return { find: (frame) => read(frame.json()), from: "json" };
  compiler.problems.report(path, `${shown(text)} ${sourceRule}`);
  return NOWHERE;
}

function regexSource(
  compiler: Compiler,
  source: string,
  group: string | number | undefined,
  path: Path,
): Source {
  try {
    const regex = new RegExp(source, "su");
    const groups = new RegExp(`${source}|`, "su").exec("")!; // matches nothing, so tells the groups there are
    const wanted = group ?? (groups.length > 1 ? 1 : 0);
    if (typeof wanted === "number" ? wanted >= groups.length : !Object.hasOwn(groups.groups ?? {}, wanted)) {
      compiler.problems.report([...path, "group"], `${shown(wanted)} is no group of ${shown(source)}`);
    }
    const find = (frame: Frame) => {
      const match = regex.exec(textOf(frame.text()));
      return typeof wanted === "number" ? match?.[wanted] : match?.groups?.[wanted];
    };
    return { find, from: "text" };
  } catch (error) {
    compiler.problems.report(
      [...path, "regex"],
      `${shown(source)} is no regular expression: ${messageOf(error)}`,
    );
    return NOWHERE;
  }
}
