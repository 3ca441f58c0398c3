import { defineConfig } from "vitest/config";

/** Real servers, which test/engines.ts starts once. */
const withServers = { globalSetup: ["test/engines.ts"], testTimeout: 60_000, hookTimeout: 120_000 };

/** What needs no Kafka and measures no time. */
const databaseTests = [
  ...["error-groups", "frozen-leader", "grafana", "migrate", "readme", "retention", "rollup"],
  ...["schema", "sql", "sql-examples", "store", "upkeep", "views"],
].map((name) => `test/${name}.test.ts`);

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
        // Real Kafka, real database, real processes, one file at a time: they share the topics, and some measure time.
        test: {
          ...withServers,
          name: "integration",
          include: ["test/**/*.test.ts"],
          exclude: databaseTests,
          fileParallelism: false,
          sequence: { groupOrder: 1 }, // after the others, by itself
        },
      },
    ],
  },
});
