import type { RequestLog } from "../contract/request-log.ts";

/**
 * Hands a record over. Never throws or rejects and never keeps a caller waiting: what cannot be kept is counted as dropped. With a spool that
 * is written ahead (mode `always`) it returns a promise, which resolves once no kill of this process can lose the record.
 */
export type Publish = (record: RequestLog) => unknown;

/** Whether a record was taken over: from then on it is delivered, or counted as dropped. With a spool that is written ahead a promise of it. */
export type Taken = boolean | Promise<boolean>;
