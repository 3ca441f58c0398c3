import { z } from "zod";
import { LEVELS } from "./request-log.ts";

/** What a publisher had to drop: an absolute count for each run, topic, level and reason since it started. */
const drop = z.object({
  run_id: z.string().max(64), // empty: of no run
  topic: z.string().max(249).default(""), // empty: of an earlier version, the request logs' one of its level
  level: z.enum(LEVELS),
  reason: z.string().min(1).max(32), // buffer_full, spool_full, closed, not_json
  dropped: z.int().nonnegative(),
});

/**
 * One publisher about itself, on the topic `publisher-status`: each second while something changes, and at close.
 * All counts are absolute, so the newest record says all.
 */
export const publisherStatus = z.object({
  v: z.literal(1),
  source: z.uuid(), // boot id, as in the records it published
  service: z.string().min(1).max(64),
  instance: z.string().max(128),
  started_at: z.iso.datetime(),
  reported_at: z.iso.datetime(),
  last_seq: z.int().nonnegative(), // highest number given to a record
  acknowledged: z.int().nonnegative(), // records Kafka has taken
  drops: z.array(drop),
  closed: z.boolean(), // shut down in order: nothing follows
  spool: z.enum(["off", "spill", "always"]).default("off"),
  spooled_bytes: z.int().nonnegative().default(0), // on its disk, what it took over from others included
  recovered: z.boolean().default(false), // it was killed, and another delivered what it had on disk
});

export type PublisherStatus = z.output<typeof publisherStatus>;
