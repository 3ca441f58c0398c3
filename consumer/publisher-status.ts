import { z } from "zod";
import { publisherStatus, type PublisherStatus } from "../contract/publisher-status.ts";
import { PUBLISHER_STATUS_TOPIC } from "../contract/topics.ts";
import type { Kind } from "./kind.ts";
import { datetime, number, text } from "./literals.ts";

const time = (iso: string) => datetime(Date.parse(iso));

/** publisher-status -> `publishers` and `publisher_drops`: absolute counts, so a late or repeated record changes nothing. */
export const publisherStatuses: Kind<PublisherStatus> = {
  name: "publisher_status",
  topics: [PUBLISHER_STATUS_TOPIC],
  decode(fields) {
    const parsed = publisherStatus.safeParse(fields);
    if (parsed.success) return { row: parsed.data };
    return { rejection: { reason: "invalid_field", detail: z.prettifyError(parsed.error) } };
  },
  origin: ({ service, closed }) => ({ source: service, status: closed ? "closed" : "open" }),
  table: {
    identity: ({ source, reported_at, closed, recovered }) => [source, reported_at, closed, recovered].join(),
    insert(statuses) {
      const publishers = statuses.map(
        (status) =>
          `(${text(status.source)},${text(status.service)},${text(status.instance)},${time(status.started_at)},` +
          `${time(status.reported_at)},${number(status.last_seq)},${number(status.acknowledged)},` +
          `${number(status.drops.reduce((sum, { dropped }) => sum + dropped, 0))},${status.closed ? 1 : 0},` +
          `${text(status.spool)},${number(status.spooled_bytes)},${status.recovered ? 1 : 0})`,
      );
      const drops = statuses.flatMap(({ source, drops }) =>
        drops.map(
          ({ run_id, topic, level, reason, dropped }) =>
            `(${text(source)},${text(run_id)},${text(topic)},${text(level)},${text(reason)},${number(dropped)})`,
        ),
      );
      const upsertPublishers = `INSERT INTO publishers
          (source, service, instance, started_at, reported_at, last_seq, acknowledged, dropped, closed, spool, spooled_bytes, recovered)
        VALUES ${publishers.join(",")}
        ON DUPLICATE KEY UPDATE
          spooled_bytes = IF(VALUES(recovered) OR VALUES(reported_at) >= reported_at, VALUES(spooled_bytes), spooled_bytes),
          recovered = GREATEST(recovered, VALUES(recovered)), reported_at = GREATEST(reported_at, VALUES(reported_at)),
          last_seq = GREATEST(last_seq, VALUES(last_seq)), acknowledged = GREATEST(acknowledged, VALUES(acknowledged)),
          dropped = GREATEST(publishers.dropped, VALUES(dropped)), closed = GREATEST(closed, VALUES(closed))`;
      const upsertDrops = `INSERT INTO publisher_drops (source, run_id, topic, level, reason, dropped) VALUES ${drops.join(",")}
        ON DUPLICATE KEY UPDATE dropped = GREATEST(publisher_drops.dropped, VALUES(dropped))`;
      return drops.length > 0 ? [upsertDrops, upsertPublishers] : [upsertPublishers];
    },
  },
};
