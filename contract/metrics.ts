import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** The seven metrics every process of ours exposes, whatever it does; a role adds its own to `registry`. */
export interface Metrics {
  readonly registry: Registry;
  readonly requests: Counter<"service" | "method" | "endpoint" | "status">;
  readonly requestDuration: Histogram<"service" | "method" | "endpoint">;
  readonly messagesProcessed: Counter<"service" | "topic" | "status">;
  readonly messageDuration: Histogram<"service" | "topic">;
  readonly logEntriesBySource: Counter<"service" | "source" | "status">;
  readonly processingErrors: Counter<"service" | "error_type">;
  readonly activeConnections: Gauge<"service" | "connection_type">;
}

/** A registry of its own per process: CPU, memory, descriptors and event-loop lag included. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    requests: new Counter({
      name: "requests_total",
      help: "HTTP requests answered",
      labelNames: ["service", "method", "endpoint", "status"],
      registers,
    }),
    requestDuration: new Histogram({
      name: "request_duration_seconds",
      help: "From the arrival of an HTTP request until its answer was handed over",
      labelNames: ["service", "method", "endpoint"],
      buckets: SECONDS,
      registers,
    }),
    messagesProcessed: new Counter({
      name: "messages_processed_total",
      help: "Kafka records by outcome: sent, stored, duplicate, dead_lettered; an idle poll is none",
      labelNames: ["service", "topic", "status"],
      registers,
    }),
    messageDuration: new Histogram({
      name: "message_processing_duration_seconds",
      help: "One batch of Kafka records, from its arrival to its commit or acknowledgement",
      labelNames: ["service", "topic"],
      buckets: SECONDS,
      registers,
    }),
    logEntriesBySource: new Counter({
      name: "log_entries_by_source_total",
      help: "Log records by the service that wrote them",
      labelNames: ["service", "source", "status"],
      registers,
    }),
    processingErrors: new Counter({
      name: "processing_errors_total",
      help: "Failures while producing, consuming or storing",
      labelNames: ["service", "error_type"],
      registers,
    }),
    activeConnections: new Gauge({
      name: "active_connections",
      help: "Open connections by kind: http, kafka, mysql",
      labelNames: ["service", "connection_type"],
      registers,
    }),
  };
}
