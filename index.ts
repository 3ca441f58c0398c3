/**
 * What other programs import from the package "rushhour": the request log of a Hono, Express or Fastify app, the publisher that takes it to
 * Kafka, and what journeys of the simulator are written with.
 */
export {
  nodeRequestLog,
  noteError,
  type NodeRequest,
  type NodeRequestLogOptions,
  type NodeResponse,
} from "./api/middleware/node-request-log.ts";
export { requestLog, type RequestLogOptions } from "./api/middleware/request-log.ts";
export { APP_LOG, type AppLog, type AppLogLevel } from "./contract/app-log.ts";
export type { Level, RequestLog } from "./contract/request-log.ts";
export { REQUEST_LOG_TOPICS, TOPIC_OF_LEVEL } from "./contract/request-log.ts";
export { PUBLISHER_STATUS_TOPIC } from "./contract/topics.ts";
export { appLogStream } from "./producer/pino/stream.ts";
export type { Publish } from "./producer/publish.ts";
export { createPublisher, type Publisher, type PublisherOptions } from "./producer/publisher.ts";
export { openSpool, type OpenSpoolOptions, type PublisherSpool } from "./producer/spool/open.ts";
export { get, post } from "./simulator/journeys/journey.ts";
export type { Answer, Journey, SessionContext, Step, Steps } from "./simulator/journeys/journey.ts";
