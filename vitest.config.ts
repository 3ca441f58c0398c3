import { defineConfig } from "vitest/config";

/** Real servers, which test/engines.ts starts once. */
const withServers = { globalSetup: ["test/engines.ts"], testTimeout: 60_000, hookTimeout: 120_000 };

/** What needs no Kafka and measures no time. */
const databaseTests = [
  ...[
    "app-log-groups",
    "dead-connections",
    "error-groups",
    "frozen-leader",
    "grafana",
    "ingest-gaps",
    "migrate",
    "readme",
    "retention",
    "rollup",
  ],
  ...["schema", "sql", "sql-examples", "store", "upkeep", "views"],
].map((name) => `test/${name}.test.ts`);

/** What measures time, starts everything at once, or makes the server read-only: alone on the machine. */
const lonelyTests = ["faults", "ledger", "load-commands", "replay", "simulations", "up"].map(
  (name) => `test/${name}.test.ts`,
);

export default defineConfig({
  test: {
    projects: [
      {
        // Beside the code, no servers.
        test: {
          name: "unit",
          maxWorkers: 2,
          include: [
            "{cli,contract,kafka,producer,api,init_db,consumer,simulator,grafana,engines,bench}/**/*.test.ts",
          ],
        },
      },
      {
        // Real database, two files at a time: each test has a database of its own.
        test: {
          ...withServers,
          name: "database",
          include: databaseTests,
          maxWorkers: 2,
        },
      },
      {
        // Real Kafka, real database, real processes, two files at a time: each worker has a Kafka of its own.
        test: {
          ...withServers,
          name: "pipeline",
          include: ["test/**/*.test.ts"],
          exclude: [...databaseTests, ...lonelyTests],
          // Given servers are one Kafka, whose topics two files would share.
          maxWorkers: process.env["KAFKA_BROKERS"] === undefined ? 2 : 1,
          sequence: { groupOrder: 1 }, // after the others, by itself
        },
      },
      {
        test: {
          ...withServers,
          name: "lonely",
          include: lonelyTests,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
