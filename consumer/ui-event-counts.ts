import { number, text } from "./literals.ts";

/** Names that are counted apart. What comes later is counted together, so that nobody fills table and metrics with names. */
const MOST_NAMES = 100;
export const OTHER_NAMES = "(other)";

/**
 * What new rows add to `ui_event_counts`: to their names, or to `(other)` when the first hundred names are others. Three partitions that
 * meet new names in the same moment may let in a hundred each.
 */
export function countNames(names: readonly string[], shard: number): string[] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  const batch = JSON.stringify([...counts]);
  return [
    `INSERT INTO ui_event_counts (name, shard, count)
     SELECT named, ${number(shard)}, SUM(events) FROM (
       SELECT IF(is_known OR nth + (SELECT COUNT(DISTINCT name) FROM ui_event_counts) <= ${MOST_NAMES}, name, '${OTHER_NAMES}') AS named, events
         FROM (
           SELECT b.name, b.events, k.name IS NOT NULL AS is_known, ROW_NUMBER() OVER (PARTITION BY k.name IS NULL ORDER BY b.name) AS nth
             FROM JSON_TABLE(${text(batch)}, '$[*]' COLUMNS (name VARCHAR(64) PATH '$[0]', events INT PATH '$[1]')) AS b
             LEFT JOIN (SELECT DISTINCT name FROM ui_event_counts) AS k ON k.name = b.name
         ) AS ranked
     ) AS added GROUP BY named
     ON DUPLICATE KEY UPDATE count = ui_event_counts.count + VALUES(count)`,
  ];
}
