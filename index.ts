/**
 * What other programs import from the package "rushhour": the request log of a Hono app, and the publisher that
 * takes it to Kafka.
 */
export { requestLog, type RequestLogOptions } from "./api/middleware/request-log.ts";
export type { Level, RequestLog } from "./contract/request-log.ts";
export { PUBLISHER_STATUS_TOPIC, REQUEST_LOG_TOPICS, TOPIC_OF_LEVEL } from "./contract/topics.ts";
export type { Publish } from "./producer/publish.ts";
export { createPublisher, type Publisher, type PublisherOptions } from "./producer/publisher.ts";
