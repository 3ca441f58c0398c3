import type { ErrorGroup } from "../contract/error-group.ts";
import type { RequestLogRow } from "../contract/request-log-row.ts";
import type { Bounds } from "../init_db/retention.ts";
import type { Derived } from "./kind.ts";
import { createErrorGroups, ErrorSums, insertErrorGroups } from "./rollup-errors.ts";
import { RequestSums } from "./rollup-requests.ts";
import { createRoutes, insertRoutes } from "./rollup-routes.ts";
import { UserSums } from "./rollup-users.ts";

/** What new rows add to the rollups. One for each database, because it remembers the routes and error groups that are named there. */
export interface Rollup {
  /**
   * @param rows rows that are really new: what is added twice is counted twice
   * @param shard a number of their partition alone, so that no other transaction touches the same rollup rows
   */
  deltas(rows: readonly RequestLogRow[], shard: number, kept: Bounds): Derived;
}

export function createRollup(): Rollup {
  const routes = createRoutes();
  const groups = createErrorGroups<ErrorGroup>();
  return {
    deltas(rows, shard, kept) {
      const requests = new RequestSums(kept);
      const users = new UserSums(kept);
      const errors = new ErrorSums(kept);
      for (const row of rows) {
        requests.add(row, routes.of(row));
        users.add(row);
        errors.add(row);
      }
      const newRoutes = requests.routes().filter(({ isStored }) => !isStored);
      const newGroups = groups.unknown(errors.groups);
      return {
        statements: [
          ...insertRoutes(newRoutes),
          ...insertErrorGroups(newGroups),
          ...requests.statements(shard),
          ...users.statements(shard),
          ...errors.statements(shard),
        ],
        onCommit() {
          for (const route of newRoutes) route.isStored = true;
          groups.onNamed(newGroups);
        },
      };
    },
  };
}
