import { didYouMean } from "../figures/did-you-mean.ts";
import { isMap, shown } from "./problems.ts";
import type { Path, Problems } from "./problems.ts";
import { scalarText } from "./values.ts";

export type Environment = Readonly<Record<string, string>>;

/**
 * What `${env.NAME}` stands for: what was given with `--env`, else the default under `env:` in the file. Variables of the
 * process take no part.
 * @param text of the file; what was given and is mentioned nowhere in it is a problem
 */
export function readEnvironment(
  defaults: unknown,
  given: Environment,
  text: string,
  problems: Problems,
): Environment {
  const env: Record<string, string> = {};
  if (defaults !== undefined && !isMap(defaults)) {
    problems.report(["env"], `${shown(defaults)} must be names with defaults, such as {RATE: 50/s}`);
  }
  for (const [name, value] of Object.entries(isMap(defaults) ? defaults : {})) {
    const taken = scalarText(value);
    if (!/^[A-Za-z_]\w*$/.test(name)) {
      problems.reportKey(["env", name], "must be a name of letters, digits and _");
    } else if (taken === undefined) {
      problems.report(["env", name], `${shown(value)} must be text or a number`);
    } else env[name] = taken;
  }
  const known = new Set([
    ...Object.keys(env),
    ...[...text.matchAll(/\benv\.(\w+)/g)].map(([, name]) => name!),
  ]);
  for (const name of Object.keys(given).filter((name) => !known.has(name))) {
    const names = known.size === 0 ? "it uses none" : `it uses ${[...known].join(", ")}`;
    problems.report([], `--env ${name} is not used in this file${didYouMean(name, known)}; ${names}`);
  }
  return { ...env, ...given };
}

/** Puts what `${env.NAME}` stands for into every text of `value`. */
export function substitute(value: unknown, path: Path, env: Environment, problems: Problems): unknown {
  if (Array.isArray(value))
    return value.map((item, index) => substitute(item, [...path, index], env, problems));
  if (isMap(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, substitute(item, [...path, key], env, problems)]),
    );
  }
  if (typeof value !== "string") return value;
  return value.replaceAll(/\$\{\s*([^}]*?)\s*\}/g, (whole, reference: string) => {
    const name = /^env\.(\w+)$/.exec(reference)?.[1];
    if (name !== undefined && Object.hasOwn(env, name)) return env[name]!;
    problems.report(
      path,
      name === undefined
        ? `only \${env.NAME} can stand here, not ${whole}`
        : `${whole} has no value${didYouMean(name, Object.keys(env))}; give it with --env ${name}=… or a default under env:`,
    );
    return whole;
  });
}
