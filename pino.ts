/** What `pino.transport({ target: "rushhour/pino" })` runs, and a destination for programs that have a publisher. */
export { default, type PinoTransportOptions } from "./producer/pino/transport.ts";
export { appLogStream } from "./producer/pino/stream.ts";
export type { LineOptions } from "./producer/pino/app-log-of-line.ts";
