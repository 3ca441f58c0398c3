import { didYouMean } from "../figures/did-you-mean.ts";
import type { Journey } from "../journeys/journey.ts";
import { shopJourneys } from "../journeys/shop.ts";
import { isMap, shown } from "./problems.ts";
import type { Path, Problems } from "./problems.ts";
import { numberFrom } from "./values.ts";

/** The built-in mix of the mock shop's visitors; its kinds can be chosen by their own names too. */
export const SHOP = "shop";

/** The journeys that a file defines: also those with a problem, which may be chosen all the same. */
export interface OwnJourneys {
  readonly names: readonly string[];
  readonly compiled: ReadonlyMap<string, Journey>;
}

const weight = numberFrom(0, 1_000_000);
const RULE =
  "must be a journey, a list of journeys, or journeys with their weights such as {browse: 3, buy: 1}";

/**
 * What a scenario's users do.
 * @param choice a name; names, each with its journey's own weight; or names with weights. Without one it is the file's
 * own journeys, or the shop's when it has none.
 */
export function chooseJourneys(choice: unknown, path: Path, own: OwnJourneys, problems: Problems): Journey[] {
  const known = [...own.names, SHOP, ...shopJourneys.map(({ name }) => name)];
  const membersOf = (name: string, of: Path): readonly Journey[] => {
    const found = own.compiled.get(name) ?? shopJourneys.find((journey) => journey.name === name);
    if (found !== undefined) return [found];
    if (name === SHOP) return shopJourneys;
    if (!own.names.includes(name)) {
      const nearest = didYouMean(name, known);
      problems.report(of, `there is no journey ${shown(name)}${nearest}; there are ${known.join(", ")}`);
    }
    return [];
  };
  if (choice === undefined) {
    return own.names.length === 0 ? [...shopJourneys] : own.names.flatMap((name) => membersOf(name, path));
  }
  if (typeof choice === "string") return [...membersOf(choice, path)];
  if (Array.isArray(choice) && choice.length > 0 && choice.every((name) => typeof name === "string")) {
    const doubled = choice.findIndex((name, index) => choice.indexOf(name) !== index);
    if (doubled > 0) problems.report([...path, doubled], `${shown(choice[doubled])} is listed twice`);
    return choice.flatMap((name, index) => {
      const members = membersOf(name, [...path, index]);
      return name === SHOP ? weighed(members, 1) : members;
    });
  }
  if (isMap(choice) && Object.keys(choice).length > 0) return byWeight(choice, path, membersOf, problems);
  problems.report(path, `${shown(choice)} ${RULE}`);
  return [];
}

function byWeight(
  choice: Readonly<Record<string, unknown>>,
  path: Path,
  membersOf: (name: string, of: Path) => readonly Journey[],
  problems: Problems,
): Journey[] {
  let total = 0;
  const journeys = Object.entries(choice).flatMap(([name, value]) => {
    const { data, error } = weight.safeParse(value);
    if (error !== undefined) problems.report([...path, name], `${shown(value)} ${error.issues[0]!.message}`);
    total += data ?? 1;
    const members = membersOf(name, [...path, name]);
    return data === undefined || data === 0 ? [] : weighed(members, data);
  });
  if (total === 0) problems.report(path, "the weights must add up to more than 0: nobody would come");
  return journeys;
}

/** The same journeys with weights that add up to `total`. */
function weighed(journeys: readonly Journey[], total: number): Journey[] {
  const sum = journeys.reduce((all, journey) => all + journey.weight, 0);
  return journeys.map((journey) => ({ ...journey, weight: (journey.weight * total) / sum }));
}
