import type { TestProject } from "vitest/node";
import { startEngines } from "../engines/engines.ts";

declare module "vitest" {
  interface ProvidedContext {
    kafkaBrokers: string;
    mysqlUrl: string; // of the server's owner; each test makes a database of its own
  }
}

/** Data and ports of the tests are apart from those of `npm start`. */
const HOME = ".rushhour/test";

/**
 * Once before all integration tests: a real Kafka and a real database, private ones unless KAFKA_BROKERS or
 * MYSQL_URL name others.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { KAFKA_BROKERS, MYSQL_URL } = process.env;
  const engines = await startEngines({
    home: HOME,
    enginesFolder: ".rushhour/engines", // the programs are shared
    kafka: KAFKA_BROKERS === undefined,
    mariadb: MYSQL_URL === undefined,
    onProgress: (text) => console.log(text),
    onGiveUp: (cause) => console.error(cause.message),
  });
  project.provide("kafkaBrokers", KAFKA_BROKERS ?? engines.kafkaBrokers!);
  project.provide("mysqlUrl", MYSQL_URL ?? engines.mysqlUrl!);
  return () => engines.stop();
}
