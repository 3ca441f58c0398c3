import { pino } from "pino";
import type { DestinationStream, Logger } from "pino";

export type { Logger };

/** Structured JSON lines on standard error: standard output carries results only. Level by LOG_LEVEL. */
export function createLogger(service: string, destination: DestinationStream = pino.destination(2)): Logger {
  return pino(
    {
      level: process.env["LOG_LEVEL"] ?? "info",
      base: { service, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
}
