import type { DestinationStream } from "pino";
import type { AppLog } from "../../contract/app-log.ts";
import { messageOf } from "../../contract/errors.ts";
import { appLogOfLine, type LineOptions } from "./app-log-of-line.ts";

/**
 * A destination for pino in a program that has a publisher already: `pino(appLogStream(publisher.publishOf(APP_LOG), { service: "orders" }))`. Never throws
 * and never waits. Give the publisher itself another logger, or what it says of its troubles becomes its next record.
 */
export function appLogStream(publish: (record: AppLog) => unknown, options: LineOptions): DestinationStream {
  let hasComplained = false;
  return {
    write(line) {
      try {
        const record = appLogOfLine(line, options);
        if (record) void publish(record);
      } catch (reason) {
        if (!hasComplained) process.emitWarning(`a line was not logged: ${messageOf(reason)}`);
        hasComplained = true;
      }
    },
  };
}
