import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        // Beside the code, no servers.
        test: {
          name: "unit",
          include: [
            "{cli,contract,kafka,producer,api,init_db,consumer,simulator,grafana,engines,bench}/**/*.test.ts",
          ],
        },
      },
      {
        // Real Kafka, real database, real processes: test/engines.ts starts them once.
        test: {
          name: "integration",
          include: ["test/**/*.test.ts"],
          globalSetup: ["test/engines.ts"],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
