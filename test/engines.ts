import type { TestProject } from "vitest/node";
import { startEngines } from "../engines/engines.ts";

declare module "vitest" {
  interface ProvidedContext {
    kafkaBrokers: string; // not in the project `database`
    mysqlUrl: string; // of the server's owner; each test makes a database of its own
  }
}

/**
 * Once before the tests of a project: a real database, and a real Kafka where the project needs it; private ones unless
 * KAFKA_BROKERS or MYSQL_URL name others. Their data and ports are apart from those of `npm start`.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { KAFKA_BROKERS, MYSQL_URL } = process.env;
  const engines = await startEngines({
    home: `.rushhour/test-${project.name}`,
    enginesFolder: ".rushhour/engines", // the programs are shared
    kafka: project.name !== "database" && KAFKA_BROKERS === undefined,
    mariadb: MYSQL_URL === undefined,
    onProgress: (text) => console.log(text),
    onGiveUp: (cause) => console.error(cause.message),
  });
  const kafkaBrokers = KAFKA_BROKERS ?? engines.kafkaBrokers;
  if (kafkaBrokers !== undefined) project.provide("kafkaBrokers", kafkaBrokers);
  project.provide("mysqlUrl", MYSQL_URL ?? engines.mysqlUrl!);
  return () => engines.stop();
}
