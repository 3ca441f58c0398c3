import { z } from "zod";
import { messageOf } from "../../contract/errors.ts";
import { didYouMean } from "../figures/did-you-mean.ts";
import { parseSqlThreshold, parseThreshold } from "../figures/thresholds.ts";
import type { Threshold } from "../figures/thresholds.ts";
import { isMap, shown } from "./problems.ts";
import type { Path, Problems } from "./problems.ts";
import { durationOrZero, flag, name, text } from "./values.ts";

const RULE = 'must be metrics with lists of bounds, such as {http_req_duration: ["p(95)<200"]}';
const LIST_RULE =
  'must be a list of bounds such as ["p(95)<200", {threshold: "p(99)<400", abortOnFail: true}]';

const judged = z.strictObject(
  { threshold: text, abortOnFail: flag.default(false), delayAbortEval: durationOrZero.default(0) },
  'must be a bound such as "p(95)<200" or {threshold: "p(95)<200", abortOnFail: true}',
);

/** What selectors may name. */
export interface Names {
  readonly scenario: readonly string[];
  readonly journey: readonly string[];
  readonly tags: readonly string[]; // of scenarios and the run
}

/** k6's map of metrics to bounds. */
export function readThresholds(value: unknown, names: Names, problems: Problems): Threshold[] {
  if (!isMap(value)) {
    problems.report(["thresholds"], `${shown(value)} ${RULE}`);
    return [];
  }
  return Object.entries(value).flatMap(([selector, list]) => {
    if (!Array.isArray(list) || list.length === 0) {
      problems.report(["thresholds", selector], `${shown(list)} ${LIST_RULE}`);
      return [];
    }
    const thresholds = list.flatMap((item: unknown, index) => {
      const path = ["thresholds", selector, index];
      const given = problems.read(judged, typeof item === "string" ? { threshold: item } : item, path);
      if (given === undefined) return [];
      const { abortOnFail, delayAbortEval: delayAbortEval_ms } = given;
      return parsed(path, problems, () =>
        parseThreshold(selector, given.threshold, { abortOnFail, delayAbortEval_ms, tags: names.tags }),
      );
    });
    if (thresholds[0] !== undefined) checkTags(thresholds[0], names, ["thresholds", selector], problems);
    return thresholds;
  });
}

const queried = z.strictObject(
  { name, query: text, threshold: text },
  'must be {name, query, threshold} such as {name: errors, query: "SELECT COUNT(*) …", threshold: "value<10"}',
);
const QUERIES_RULE = "must be a list of queries with their bounds, each {name, query, threshold}";

/** Queries over the run's rows, each with the bound of its one value. */
export function readSqlThresholds(value: unknown, problems: Problems): Threshold[] {
  const list = problems.read(z.array(z.unknown(), QUERIES_RULE), value, ["sqlThresholds"]) ?? [];
  return list.flatMap((item, index) => {
    const path = ["sqlThresholds", index];
    const given = problems.read(queried, item, path);
    if (given === undefined) return [];
    return parsed(path, problems, () => parseSqlThreshold(given.name, given.query, given.threshold));
  });
}

/** Selectors of what the plan does not have would never measure anything. */
function checkTags({ of }: Threshold, names: Names, path: Path, problems: Problems): void {
  if (!("metric" in of)) return;
  for (const tag of ["scenario", "journey"] as const) {
    const value = of.tags[tag];
    if (value === undefined || names[tag].includes(value)) continue;
    const nearest = didYouMean(value, names[tag]);
    const message = `there is no ${tag} ${shown(value)}${nearest}; there are ${names[tag].join(", ")}`;
    problems.reportKey(path, message);
  }
}

function parsed(path: Path, problems: Problems, parse: () => Threshold): Threshold[] {
  try {
    return [parse()];
  } catch (error) {
    problems.report(path, messageOf(error));
    return [];
  }
}
