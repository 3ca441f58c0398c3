import { expect, test } from "vitest";
import { createMetrics } from "./metrics.ts";
import { statusRoutes, type DependencyState } from "./status.ts";

function openStatus(dependencies: Record<string, DependencyState> = {}) {
  const metrics = createMetrics();
  const routes = statusRoutes("consumer", metrics, () => dependencies);
  const get = async (path: string) => {
    const response = await routes.request(path);
    return {
      status: response.status,
      type: response.headers.get("content-type"),
      text: await response.text(),
    };
  };
  return { metrics, dependencies, get };
}

test("/health and /health/ready are 200 while every dependency is there, and 503 with the reason while one is not", async () => {
  const { dependencies, get } = openStatus({ kafka: { ready: true }, database: { ready: true } });
  for (const path of ["/health", "/health/ready"]) {
    const { status, text } = await get(path);
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ status: "ok", service: "consumer", dependencies });
  }
  dependencies["database"] = { ready: false, reason: "connect ECONNREFUSED 127.0.0.1:3306" };
  for (const path of ["/health", "/health/ready"]) {
    const { status, text } = await get(path);
    expect(status).toBe(503);
    expect(JSON.parse(text)).toMatchObject({ status: "unavailable", dependencies });
  }
});

test("/health/live is 200 even while a dependency is away", async () => {
  const { get } = openStatus({ kafka: { ready: false, reason: "not connected yet" } });
  const { status, text } = await get("/health/live");
  expect(status).toBe(200);
  const answer = JSON.parse(text) as { uptime_seconds: number };
  expect(answer).toMatchObject({ status: "ok", service: "consumer" });
  expect(Number.isInteger(answer.uptime_seconds)).toBe(true);
});

test("/metrics is Prometheus text with the seven common metrics and those of the process", async () => {
  const { metrics, get } = openStatus();
  metrics.messagesProcessed.inc({ service: "consumer", topic: "info-logs", status: "stored" }, 3);
  const { status, type, text } = await get("/metrics");
  expect([status, type]).toEqual([200, metrics.registry.contentType]);
  expect(text).toContain('messages_processed_total{service="consumer",topic="info-logs",status="stored"} 3');
  for (const name of [
    ...["requests_total", "request_duration_seconds", "messages_processed_total"],
    ...["message_processing_duration_seconds", "log_entries_by_source_total", "processing_errors_total"],
    ...[
      "active_connections",
      "process_cpu_seconds_total",
      "process_resident_memory_bytes",
      "nodejs_eventloop_lag_seconds",
    ],
  ]) {
    expect(text, name).toMatch(new RegExp(`^# TYPE ${name} `, "m"));
  }
});
