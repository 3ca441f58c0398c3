import type { AppLog } from "../../contract/app-log.ts";
import { placeOfStack } from "../../contract/place-of-stack.ts";
import type { RequestLog } from "../../contract/request-log.ts";

/** What the service that crashed logged of it, with the ids of the request, once it was answered. */
export function crashLog(request: RequestLog, log_id: string): AppLog {
  const { service, instance, method, endpoint, status_code, error_type, error_message, stack } = request;
  const { request_id, trace_id, user_id } = request;
  const answeredMs = Math.trunc(Date.parse(request.timestamp) + request.response_time_ms);
  return {
    ...{ v: 1, log_id, timestamp: new Date(answeredMs).toISOString(), level: "CRITICAL" },
    ...{ service, logger: `${service}.routes`, host: instance, ...placeOfStack(stack) },
    message: `${method} ${endpoint} failed: ${error_message ?? ""}`,
    exception: { type: error_type ?? "Error", message: error_message, stack },
    context: { method, endpoint, status_code },
    ...{ request_id, trace_id, user_id },
  };
}
