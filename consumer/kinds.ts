import { appLogs } from "./app-logs.ts";
import { audits } from "./audit.ts";
import type { Kind } from "./kind.ts";
import { publisherStatuses } from "./publisher-status.ts";
import { requestLogs } from "./request-logs.ts";
import { shopEvents } from "./shop-events.ts";
import { simulations } from "./simulations.ts";
import { uiEvents } from "./ui-events.ts";

/** Records of one consumer group. `concurrency`: partitions stored at the same time, each on a connection of its own. */
export interface Group {
  readonly suffix: string; // of the group's name
  readonly kinds: readonly Kind<unknown>[];
  readonly concurrency: number;
}

/**
 * Every kind of record the consumer stores; a further one is added here. Three groups, so that none waits behind another: request
 * logs, two partitions of which keep a database core busy; the further kinds of record; and what publishers and runs say of
 * themselves, least of all the end of an incident that slows the first one down.
 */
export function createKinds(): { readonly groups: readonly Group[]; readonly requests: Kind<unknown> } {
  const requests = requestLogs();
  return {
    requests,
    groups: [
      { suffix: "", kinds: [requests], concurrency: 2 },
      { suffix: "-records", kinds: [appLogs(), uiEvents, shopEvents], concurrency: 1 },
      { suffix: "-status", kinds: [publisherStatuses, simulations, audits], concurrency: 1 },
    ],
  };
}
