import { messageOf } from "../contract/errors.ts";
import type { Logger } from "../contract/logger.ts";
import type { Metrics } from "../contract/metrics.ts";
import type { DependencyState } from "../contract/status.ts";
import type { BatchProducer, TopicBatches } from "../kafka/producer.ts";

/** One attempt to append batches. @returns whether Kafka has them; what is sent again after false may be there twice */
export type Send = (topics: TopicBatches) => Promise<boolean>;

/** Kafka as a publisher sees it: there, or away and why. */
export interface Link {
  readonly state: () => DependencyState;
  /** Whether the last attempt failed, or one has no answer for long. */
  readonly isAway: () => boolean;
  /**
   * @param givesUp whether an attempt without an answer ends with false; until the answer comes the next ones do so at once, for a
   *   producer sends one request at a time
   */
  sender(producer: BatchProducer, givesUp: boolean): Send;
}

/** A broker that does not answer refuses nothing either: after so long it counts as away. */
const SILENT_AFTER_MS = 1_500;

export function createLink(service: string, logger: Logger, metrics: Metrics): Link {
  let state: DependencyState = { ready: false, reason: "not connected yet" };
  let isAway = false;

  function away(reason: string): void {
    if (!isAway || state.reason !== reason) logger.warn({ reason }, "Kafka is away; records are held");
    isAway = true;
    state = { ready: false, reason };
  }

  function back(): void {
    if (!state.ready) logger.info("Kafka takes records");
    isAway = false;
    state = { ready: true };
  }

  return {
    state: () => state,
    isAway: () => isAway,
    sender(producer, givesUp) {
      let unanswered = false;
      return async (topics) => {
        if (unanswered) return false;
        unanswered = true;
        const done = metrics.messageDuration.startTimer({ service, topic: "(all)" });
        let silence: NodeJS.Timeout | undefined;
        const givenUp = new Promise<boolean>((resolve) => {
          silence = setTimeout(() => {
            away("Kafka does not answer");
            if (givesUp) resolve(false);
          }, SILENT_AFTER_MS);
        });
        const sent = producer
          .send(topics)
          .then(
            () => {
              done();
              back();
              return true;
            },
            (error: unknown) => {
              away(messageOf(error));
              metrics.processingErrors.inc({ service, error_type: "kafka_send" });
              return false;
            },
          )
          .finally(() => {
            unanswered = false;
            clearTimeout(silence);
          });
        return Promise.race([sent, givenUp]);
      };
    },
  };
}
