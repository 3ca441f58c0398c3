import { RushhourError } from "../../../contract/errors.ts";
import type { Api, Operation, SecurityScheme } from "./document.ts";
import type { Fixed } from "./request.ts";

interface Given {
  readonly auth?: Readonly<Record<string, string>>; // by the scheme's name
  readonly headers?: Readonly<Record<string, string>>; // lower-case names
}

type Place = "query" | "cookies" | "headers";

export interface Credentials {
  /** What the operation's security asks for, as far as it was given, and the headers of all requests. */
  fixedFor(operation: Operation): Fixed;
  readonly warnings: readonly string[]; // what was not given
}

/**
 * Finds for each operation the first of its security requirements for which everything was given.
 * @throws RushhourError CONFIG_INVALID for a value whose scheme the document does not know
 */
export function credentialsOf(api: Api, operations: readonly Operation[], given: Given): Credentials {
  const { auth = {}, headers = {} } = given;
  const unknown = Object.keys(auth).filter((name) => !Object.hasOwn(api.schemes, name));
  if (unknown.length > 0) {
    throw new RushhourError(
      "CONFIG_INVALID",
      `--auth ${unknown.join(", ")} is no security scheme of the document; it has ${Object.keys(api.schemes).join(", ") || "none"}`,
    );
  }
  const isMet = (name: string) => {
    const scheme = api.schemes[name];
    if (scheme === undefined) return false;
    const [place, field] = placeOf(scheme);
    return auth[name] !== undefined || (place === "headers" && headers[field.toLowerCase()] !== undefined);
  };
  const metBy = (operation: Operation) =>
    operation.security.find((requirement) => Object.keys(requirement).every(isMet));
  const unmet = operations.filter((one) => one.security.length > 0 && metBy(one) === undefined);
  return {
    fixedFor(operation) {
      const fixed = { query: [] as string[], cookies: [] as string[], headers: {} as Record<string, string> };
      for (const name of Object.keys(metBy(operation) ?? {})) {
        const value = auth[name];
        const scheme = api.schemes[name];
        if (value === undefined || scheme === undefined) continue;
        const [place, field] = placeOf(scheme);
        if (place === "headers") fixed.headers[field.toLowerCase()] = valueOf(scheme, value);
        else fixed[place].push(`${encodeURIComponent(field)}=${encodeURIComponent(value)}`);
      }
      return { ...fixed, headers: { ...fixed.headers, ...headers } };
    },
    warnings: unmet.length === 0 ? [] : [warningOf(unmet)],
  };
}

function placeOf(scheme: SecurityScheme): readonly [Place, string] {
  if (scheme.type !== "apiKey") return ["headers", "authorization"];
  return [({ query: "query", header: "headers", cookie: "cookies" } as const)[scheme.in], scheme.name];
}

function valueOf(scheme: SecurityScheme, value: string): string {
  if (scheme.type === "apiKey") return value;
  if (scheme.type !== "http" || scheme.scheme === "bearer") return `Bearer ${value}`;
  if (scheme.scheme === "basic") return `Basic ${Buffer.from(value).toString("base64")}`;
  return value; // other schemes: as given
}

function warningOf(unmet: readonly Operation[]): string {
  const names = new Set(unmet.flatMap(({ security }) => security.flatMap((one) => Object.keys(one))));
  const which = unmet.length === 1 ? unmet[0]!.name : `${unmet.length} operations`;
  const way = [...names].map((name) => `--auth ${name}=…`).join(" or ");
  return `${which} sent without the security that the document asks for; give it with ${way}`;
}
