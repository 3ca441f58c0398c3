import Table from "cli-table3";
import { Command } from "commander";
import { kafkaSettings, readSettings } from "../contract/config.ts";
import { createLogger } from "../contract/logger.ts";
import { allTopics } from "../contract/topics.ts";
import { withKafka } from "./reach.ts";
import { kafkaOf } from "./servers.ts";

export function topicsCommand(): Command {
  return new Command("topics")
    .description("Create the topics that are missing, add partitions when asked to, then list all of them")
    .option(
      "--partitions <n>",
      "partitions of each request-log topic, added to those that have fewer (KAFKA_PARTITIONS; not set: 6 for new topics)",
    )
    .option(
      "--replication <n>",
      "copies of each partition of new topics (KAFKA_REPLICATION, default auto: one a broker, up to 3)",
    )
    .addHelpText(
      "after",
      `
Partitions can be added while everything runs: publishers and consumers take them up within seconds.
With 3 copies or more a record is acknowledged when 2 brokers have it.

Examples:
  rushhour topics
  rushhour topics --partitions 24
  KAFKA_BROKERS=k1:9092,k2:9092,k3:9092 rushhour topics --partitions 12 --replication 3`,
    )
    .action(async (options: { partitions?: string; replication?: string }) => {
      const settings = readSettings(kafkaSettings, process.env, {
        KAFKA_PARTITIONS: { flag: "--partitions", value: options.partitions },
        KAFKA_REPLICATION: { flag: "--replication", value: options.replication },
      });
      const topics = allTopics(settings.KAFKA_PARTITIONS, settings.KAFKA_REPLICATION);
      await withKafka(kafkaOf(settings), createLogger("topics"), async (admin) => {
        const { created, grown } = await admin.createTopics(topics);
        const changeOf = (name: string) =>
          created.includes(name) ? "created" : grown.includes(name) ? "partitions added" : "";
        const table = new Table({
          head: ["topic", "partitions", "in sync", "replication", "records", ""],
          style: { head: [], border: [] },
        });
        for (const { name, partitions, inSync, replication, records } of await admin.describeTopics()) {
          table.push([name, partitions, inSync, replication, records.toLocaleString("en"), changeOf(name)]);
        }
        console.log(table.toString());
      });
    });
}
