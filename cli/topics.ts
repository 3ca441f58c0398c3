import Table from "cli-table3";
import { Command } from "commander";
import { kafkaSettings, readSettings } from "../contract/config.ts";
import { createLogger } from "../contract/logger.ts";
import { allTopics } from "../contract/topics.ts";
import { withKafka } from "./reach.ts";
import { brokersOf } from "./servers.ts";

export function topicsCommand(): Command {
  return new Command("topics")
    .description("Create the topics that are missing, then list all of them")
    .option(
      "--partitions <n>",
      "partitions of each request-log topic that is created (KAFKA_PARTITIONS, default 6)",
    )
    .addHelpText(
      "after",
      `
Examples:
  rushhour topics
  KAFKA_BROKERS=127.0.0.1:9092 rushhour topics --partitions 12`,
    )
    .action(async (options: { partitions?: string }) => {
      const settings = readSettings(kafkaSettings, process.env, {
        KAFKA_PARTITIONS: { flag: "--partitions", value: options.partitions },
      });
      const topics = allTopics(settings.KAFKA_PARTITIONS);
      await withKafka(brokersOf(settings), createLogger("topics"), async (admin) => {
        const created = new Set(await admin.createTopics(topics));
        const table = new Table({
          head: ["topic", "partitions", "records", ""],
          style: { head: [], border: [] },
        });
        for (const { name, partitions, records } of await admin.describeTopics()) {
          table.push([name, partitions, records.toLocaleString("en"), created.has(name) ? "created" : ""]);
        }
        console.log(table.toString());
      });
    });
}
