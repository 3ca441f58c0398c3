import { resolve } from "node:path";
import { z } from "zod";
import { messageOf } from "../../../contract/errors.ts";
import { importJourneys } from "../import.ts";
import type { Journey } from "../journey.ts";
import { Compiler } from "./compiler.ts";
import { loadData } from "./data.ts";
import type { DataSet } from "./data.ts";
import { isMap, shown } from "../../scenario/problems.ts";
import type { Path, Problems } from "../../scenario/problems.ts";
import { play } from "./program.ts";
import { commonHeaders } from "./request.ts";
import { JourneyScope } from "./scope.ts";
import { block } from "./steps.ts";
import { set } from "./values.ts";

export interface CompileOptions {
  readonly folder: string; // of the scenario file: where the names of other files begin
  readonly env: Readonly<Record<string, string>>; // for ${env.NAME}
}

const weight = z.number("must be a number above 0").positive("must be a number above 0").default(1);

const InYaml = z.strictObject({
  weight,
  vars: z.unknown().optional(),
  headers: z.unknown().optional(),
  steps: z.unknown().optional(),
});

const InFile = z.strictObject({
  weight: weight.unwrap().optional(),
  file: z.string("must be the name of a .ts, .js or .mjs file"),
  journey: z.string("must be the name of a journey in the file").optional(),
});

const ANY_JOURNEY = "must be a map with steps:, or with file: for a journey in TypeScript";

/**
 * Makes journeys of what stands under `journeys:` and `data:` in a scenario file.
 * @param problems takes everything that is wrong; paths begin with `journeys` or `data`
 * @returns the journeys that are fine, by name
 */
export async function compileJourneys(
  definitions: unknown,
  data: unknown,
  options: CompileOptions,
  problems: Problems,
): Promise<Map<string, Journey>> {
  const sets = await loadData(data, options.folder, problems);
  const journeys = new Map<string, Journey>();
  const named = problems.read(
    z.record(z.string(), z.unknown(), "must be a map of names to journeys"),
    definitions ?? {},
    ["journeys"],
  );
  for (const [name, definition] of Object.entries(named ?? {})) {
    const path = ["journeys", name];
    if (!isMap(definition)) {
      problems.report(path, `${shown(definition)} ${ANY_JOURNEY}`);
      continue;
    }
    const found = problems.list.length;
    const journey =
      "file" in definition
        ? await imported(name, definition, options.folder, path, problems)
        : compiled(name, definition, sets, options.env, path, problems);
    if (journey !== undefined && problems.list.length === found) journeys.set(name, journey);
  }
  return journeys;
}

async function imported(
  name: string,
  definition: object,
  folder: string,
  path: Path,
  problems: Problems,
): Promise<Journey | undefined> {
  const shape = problems.read(InFile, definition, path);
  if (shape === undefined) return undefined;
  try {
    const journeys = await importJourneys(resolve(folder, shape.file));
    const wanted = shape.journey ?? name;
    const journey = journeys.find((one) => one.name === wanted);
    const only = shape.journey === undefined && journeys.length === 1 ? journeys[0] : undefined;
    const chosen = journey ?? only;
    if (chosen !== undefined) return { ...chosen, name, weight: shape.weight ?? chosen.weight };
    const names = journeys.map((one) => `"${one.name}"`).join(", ");
    problems.report(
      [...path, shape.journey === undefined ? "file" : "journey"],
      `"${shape.file}" has no journey "${wanted}", only ${names}; name one of them with journey:`,
    );
  } catch (error) {
    problems.report([...path, "file"], messageOf(error));
  }
  return undefined;
}

function compiled(
  name: string,
  definition: object,
  sets: ReadonlyMap<string, DataSet>,
  env: Readonly<Record<string, string>>,
  path: Path,
  problems: Problems,
): Journey | undefined {
  const shape = problems.read(InYaml, definition, path);
  if (shape === undefined) return undefined;
  const compiler = new Compiler(new JourneyScope(sets, env), problems);
  compiler.act((frame, next) => {
    for (const [set, slot] of compiler.scope.rows) frame.values[slot] = set.rowOf(frame.session);
    return next;
  });
  if (shape.vars !== undefined) set(compiler, shape.vars, [...path, "vars"]);
  commonHeaders(compiler, shape.headers, [...path, "headers"]);
  block(compiler, shape.steps, [...path, "steps"]);
  return { name, weight: shape.weight, steps: (session) => play(name, compiler.program, session) };
}
