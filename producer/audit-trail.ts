import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { auditRecord, type Audit } from "../contract/audit.ts";
import { messageOf } from "../contract/errors.ts";
import type { Logger } from "../contract/logger.ts";
import { AUDIT_TOPIC } from "../contract/topics.ts";
import { createKafka, type KafkaServers } from "../kafka/client.ts";
import { createBatchProducer, type BatchProducer } from "../kafka/producer.ts";

export interface AuditTrail {
  readonly audit: Audit;
  /** Waits for what is being sent. What Kafka has not taken by then stands in the log alone. */
  close(deadlineMs?: number): Promise<void>;
}

const MOST_WAITING = 1_000;
const RETRY_MS = 1_000;

/**
 * Writes what people change to the topic `audit`, and to the log, where it stands even if Kafka never comes. On a producer of its own, opened
 * with the first entry: no audit waits behind request logs, and no request log behind a topic that is missing.
 */
export function openAuditTrail(kafka: KafkaServers, logger: Logger): AuditTrail {
  let producer: BatchProducer | undefined;
  let waiting: string[] = [];
  let sending: Promise<void> | undefined;
  const ending = new AbortController();

  async function sendAll(): Promise<void> {
    producer ??= createBatchProducer(createKafka({ ...kafka, clientId: "rushhour-audit", logger }));
    let hasComplained = false;
    while (waiting.length > 0) {
      const values = waiting.slice(0, 100);
      try {
        await producer.send(new Map([[AUDIT_TOPIC, values]]));
        waiting = waiting.slice(values.length);
      } catch (error) {
        if (ending.signal.aborted) return;
        const reason = messageOf(error);
        if (!hasComplained)
          logger.warn(
            { reason, topic: AUDIT_TOPIC },
            "the audit waits for Kafka; npx rushhour topics makes the topic",
          );
        hasComplained = true;
        await wait(RETRY_MS, undefined, { signal: ending.signal }).catch(() => undefined);
      }
    }
  }

  return {
    audit(entry) {
      const record = auditRecord.safeParse({
        ...{ v: 1, audit_id: randomUUID(), time: new Date().toISOString(), ...entry },
        ...{ actor: entry.actor.slice(0, 128) || "(unknown)", target: entry.target.slice(0, 255) },
      });
      logger.info({ audit: entry }, "audit");
      if (!record.success || waiting.length >= MOST_WAITING) {
        logger.error({ audit: entry }, "the audit cannot be kept but here");
        return;
      }
      waiting.push(JSON.stringify(record.data));
      sending ??= sendAll().finally(() => (sending = undefined));
    },
    async close(deadlineMs = 3_000) {
      const timer = setTimeout(() => ending.abort(), deadlineMs);
      const gaveUp = new Promise((resolve) => ending.signal.addEventListener("abort", resolve));
      await Promise.race([sending, gaveUp]);
      clearTimeout(timer);
      if (waiting.length > 0)
        logger.error(
          { records: waiting.length },
          "audit records that Kafka has not taken stand in this log only",
        );
      void producer?.close();
    },
  };
}
