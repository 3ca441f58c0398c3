import type { Level } from "./request-log.ts";

/** Where a record goes, and what becomes of it when there is no room: DEBUG is shed first, ERROR and CRITICAL last. */
export interface Destination {
  readonly topic: string;
  readonly level: Level;
}

/** What a record of any kind may say of itself to its publisher. */
export interface Publishable {
  readonly run_id?: string | undefined; // the simulator run it belongs to
}

/** A kind of record as its publishers see it; how one is read is beside it, how it is stored in consumer/. */
export interface RecordKind<R extends Publishable> {
  readonly name: string; // such as request_log
  readonly topics: readonly string[];
  destinationOf(record: R): Destination;
}
