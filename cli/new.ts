import { readFileSync, writeFileSync } from "node:fs";
import { Command } from "commander";
import { messageOf, RushhourError } from "../contract/errors.ts";
import { shellWord } from "./load-options.ts";

const EXAMPLE = new URL("../examples/scenarios/shop.yaml", import.meta.url);

/** `rushhour new`: a scenario to begin with. */
export function newCommand(): Command {
  return new Command("new")
    .description("Write a commented example of a scenario file that runs against the shop")
    .argument("[file]", "where to", "scenario.yaml")
    .option("--force", "write over a file that exists")
    .addHelpText(
      "after",
      `
Examples:
  rushhour new
  rushhour new black-friday.yaml && rushhour inspect black-friday.yaml`,
    )
    .action((file: string, { force = false }: { force?: boolean }) => {
      writeExample(file, force);
      const name = shellWord(file);
      console.log(`${file} is written.\nnext:  rushhour inspect ${name}\n       rushhour simulate ${name}`);
    });
}

function writeExample(file: string, force: boolean): void {
  try {
    writeFileSync(file, readFileSync(EXAMPLE), { flag: force ? "w" : "wx" });
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === "EEXIST";
    const wayOut = exists ? "--force writes over it" : "name a file in a folder that exists";
    const what = exists ? "exists already" : `cannot be written: ${messageOf(error)}`;
    throw new RushhourError("CONFIG_INVALID", `${file} ${what}; ${wayOut}`, { cause: error });
  }
}
