import type { TestProject } from "vitest/node";
import { startEngines } from "../engines/engines.ts";
import { dropDatabase, makeTemplate, type Template } from "./template.ts";

declare module "vitest" {
  interface ProvidedContext {
    kafkaClusters: readonly string[]; // brokers of each, one cluster a worker; none in the project `database`
    mysqlUrl: string; // of the server's owner; each test makes a database of its own
    template: Template; // which it copies
  }
}

/**
 * Once before the tests of a project: a real database, and a real Kafka for each worker where the project needs it; private ones unless
 * KAFKA_BROKERS or MYSQL_URL name others. Their data and ports are apart from those of `npm start`.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { KAFKA_BROKERS, MYSQL_URL } = process.env;
  const needsKafka = project.name !== "database";
  const start = (number: number, wanted: { kafka: boolean; mariadb: boolean }) =>
    startEngines({
      ...wanted,
      home: `.rushhour/test-${project.name}${number > 1 ? `-${number}` : ""}`,
      enginesFolder: ".rushhour/engines", // the programs are shared
      onProgress: (text) => console.log(text),
      onGiveUp: (cause) => console.error(cause.message),
    });
  const own = needsKafka && KAFKA_BROKERS === undefined;
  const first = await start(1, { kafka: own, mariadb: MYSQL_URL === undefined });
  const others = own
    ? await Promise.all(
        Array.from({ length: project.config.maxWorkers - 1 }, (_, n) =>
          start(n + 2, { kafka: true, mariadb: false }),
        ),
      )
    : [];
  const clusters = [KAFKA_BROKERS ?? first.kafkaBrokers, ...others.map(({ kafkaBrokers }) => kafkaBrokers)];
  project.provide(
    "kafkaClusters",
    clusters.flatMap((brokers) => brokers ?? []),
  );
  const mysqlUrl = MYSQL_URL ?? first.mysqlUrl!;
  project.provide("mysqlUrl", mysqlUrl);
  const template = await makeTemplate(mysqlUrl);
  project.provide("template", template);
  return async () => {
    await dropDatabase(mysqlUrl, template.database);
    await Promise.all([first, ...others].map((engines) => engines.stop()));
  };
}
