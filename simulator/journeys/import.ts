import { stat } from "node:fs/promises";
import { registerHooks } from "node:module";
import { extname } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { messageOf, RushhourError } from "../../contract/errors.ts";
import type { Journey } from "./journey.ts";

const EXTENSIONS = [".ts", ".mts", ".js", ".mjs"];

/** In a journey's file, the package "rushhour" is the version that runs it, wherever the file lies. */
const RUSHHOUR = new URL(`./journey${extname(import.meta.url)}`, import.meta.url).href;

const weight = "must be a number above 0";
const Journeys = z
  .array(
    z.object(
      {
        name: z.string("must be a text").min(1, "must not be empty"),
        weight: z.number(weight).positive(weight),
        steps: z.custom<Journey["steps"]>(
          (value) => typeof value === "function",
          "must be a generator function",
        ),
      },
      "must be a journey: {name, weight, steps}",
    ),
  )
  .min(1, "must hold at least one journey");

/**
 * The journeys that a file of TypeScript or JavaScript exports by default: one, or a list.
 * @param file absolute
 * @throws RushhourError CONFIG_INVALID when it cannot be loaded or exports something else
 */
export async function importJourneys(file: string): Promise<readonly Journey[]> {
  if (!EXTENSIONS.includes(extname(file))) throw invalid(file, `must end in ${EXTENSIONS.join(", ")}`);
  if (!(await stat(file).catch(() => undefined))?.isFile())
    throw invalid(file, "does not exist or is no file");
  const exported = await load(file);
  if (exported === undefined)
    throw invalid(file, "has no default export; it must be a journey or a list of them");
  const parsed = Journeys.safeParse(Array.isArray(exported) ? exported : [exported]);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    ({ path, message }) => `${["default export", ...path].join(".")} ${message}`,
  );
  throw invalid(file, problems.join("; "));
}

async function load(file: string): Promise<unknown> {
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      specifier === "rushhour" ? { url: RUSHHOUR, shortCircuit: true } : next(specifier, context),
  });
  try {
    const module = (await import(pathToFileURL(file).href)) as { default?: unknown };
    return module.default;
  } catch (error) {
    const where = error instanceof SyntaxError ? `; node --check "${file}" shows where` : "";
    throw invalid(file, `cannot be loaded: ${messageOf(error)}${where}`, error);
  } finally {
    hooks.deregister();
  }
}

function invalid(file: string, problem: string, cause?: unknown): RushhourError {
  return new RushhourError("CONFIG_INVALID", `journey file "${file}" ${problem}`, { cause });
}
