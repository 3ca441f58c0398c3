import type { Admin } from "kafkajs";
import type { Logger } from "../contract/logger.ts";
import { startProbe, type Probe } from "../contract/probe.ts";
import type { Kafka } from "./client.ts";
import { clearly } from "./refusal.ts";

/** Asks Kafka what brokers there are, on a connection of its own, which is made anew after each failure. */
export function probeKafka(kafka: Kafka, logger: Logger): Probe {
  let current: Admin | undefined;

  async function ask(): Promise<void> {
    const admin = (current ??= kafka.admin());
    try {
      await admin.connect(); // nothing, when it is connected
      await admin.describeCluster();
    } catch (error) {
      if (current === admin) current = undefined;
      throw clearly(error, kafka.servers);
    } finally {
      if (current !== admin) void admin.disconnect().catch(() => undefined); // given up meanwhile, it may have connected again
    }
  }

  function discard(): void {
    void current?.disconnect().catch(() => undefined);
    current = undefined;
  }

  return startProbe({ name: "Kafka", ask, release: discard, logger });
}
