import { RECORD_TOPICS } from "../contract/topics.ts";
import { appLogs } from "./app-logs.ts";
import { audits } from "./audit.ts";
import type { Kind } from "./kind.ts";
import { publisherStatuses } from "./publisher-status.ts";
import { requestLogs } from "./request-logs.ts";
import type { LogStage } from "./stage-log.ts";
import { shopEvents } from "./shop-events.ts";
import { simulations } from "./simulations.ts";
import { uiEvents } from "./ui-events.ts";

/** Records of one consumer group. `concurrency`: partitions stored at the same time, each on a connection of its own. */
export interface Group {
  readonly suffix: string; // of the group's name
  readonly kinds: readonly Kind<unknown>[];
  readonly concurrency: number;
}

export interface Kinds {
  readonly groups: readonly Group[];
  readonly requests: Kind<unknown>;
  readonly records: readonly Kind<unknown>[]; // the further kinds that publishers number
}

/**
 * Every kind of record the consumer stores; a further one is added here. Three groups, so that none waits behind another: request
 * logs, two partitions of which keep a database core busy; the further kinds of record; and what publishers and runs say of
 * themselves, least of all the end of an incident that slows the first one down.
 * @param log where stages say what they did
 */
export function createKinds(log: LogStage): Kinds {
  const requests = requestLogs();
  const records = [appLogs(), uiEvents, shopEvents(log)];
  for (const topic of [requests, ...records].flatMap(({ topics }) => topics))
    if (!RECORD_TOPICS.includes(topic))
      throw new Error(`${topic} must stand in FURTHER_TOPICS (contract/topics.ts)`);
  return {
    requests,
    records,
    groups: [
      { suffix: "", kinds: [requests], concurrency: 2 },
      { suffix: "-records", kinds: records, concurrency: 1 },
      { suffix: "-status", kinds: [publisherStatuses, simulations, audits], concurrency: 1 },
    ],
  };
}
