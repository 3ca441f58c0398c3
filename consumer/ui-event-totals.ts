import { setTimeout as wait } from "node:timers/promises";
import { Counter } from "prom-client";
import type { Metrics } from "../contract/metrics.ts";
import { FUNNY_EVENT, SERIOUS_EVENT } from "../contract/ui-event.ts";
import type { IngestConnections } from "./connection.ts";

/** Scrapes that follow each other closer share an answer. */
const FRESH_MS = 500;
/** A scrape waits no longer for the database. */
const PATIENCE_MS = 500;

/**
 * Counters of UI events that no restart sets back: what `ui_event_counts` says when they are scraped, the last it said while the database is
 * away, nothing before it ever answered. Every consumer of a database shows the same, so take the greatest, never the sum.
 */
export function exposeEventTotals(connections: IngestConnections, { registry }: Metrics): void {
  let totals: ReadonlyMap<string, number> | undefined;
  let readAtMs = -Infinity; // performance.now()
  let reading: Promise<void> | undefined;

  async function read(): Promise<void> {
    const rows = (await connections.use((connection) =>
      connection.run("SELECT name, CAST(SUM(count) AS CHAR) AS events FROM ui_event_counts GROUP BY name"),
    )) as { name: string; events: string }[];
    const counted = rows.map(({ name, events }) => [name, Number(events)] as const);
    totals = new Map([[FUNNY_EVENT, 0], [SERIOUS_EVENT, 0], ...counted]);
    readAtMs = performance.now();
  }

  async function latest(): Promise<ReadonlyMap<string, number> | undefined> {
    if (performance.now() - readAtMs > FRESH_MS) {
      reading ??= read()
        .catch(() => undefined) // readiness says it
        .finally(() => (reading = undefined));
      await Promise.race([reading, wait(PATIENCE_MS, undefined, { ref: false })]);
    }
    return totals;
  }

  new Counter({
    name: "ui_events_total",
    help: "UI events stored since ever, by name; (other) beyond a hundred names. The same in every consumer",
    labelNames: ["name"],
    registers: [registry],
    async collect() {
      const events = await latest();
      this.reset();
      for (const [name, count] of events ?? []) this.inc({ name }, count);
    },
  });
  const alias = (name: string, event: string) =>
    new Counter({
      name,
      help: `UI events named ${event}: ui_events_total under another name`,
      registers: [registry],
      async collect() {
        const events = await latest();
        this.reset();
        if (events) this.inc(events.get(event));
        else this.remove(); // a 0 would look like a counter that was set back
      },
    });
  alias("kafka_funny_events_total", FUNNY_EVENT);
  alias("kafka_serious_events_total", SERIOUS_EVENT);
}
