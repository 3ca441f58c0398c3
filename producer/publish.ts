import type { RequestLog } from "../contract/request-log.ts";

/** Hands a record over. Synchronous; never throws and never waits: what cannot be kept is counted as dropped. */
export type Publish = (record: RequestLog) => void;
