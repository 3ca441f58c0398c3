import type { RequestLog } from "../contract/request-log.ts";

/** Hands a record over. Synchronous; never throws and never waits: what cannot be kept is counted as dropped. */
export interface Publish {
  (record: RequestLog): void;
  /**
   * There while the spool is written ahead (mode `always`): resolves once no kill of this process can lose the record, and the last
   * byte of its response waits for that. Never rejects: where the disk fails, the record is held in memory.
   */
  readonly durably?: (record: RequestLog) => Promise<void>;
}
