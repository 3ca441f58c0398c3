import { Command, CommanderError } from "commander";
import { EXIT, messageOf, RushhourError } from "../contract/errors.ts";

const program = new Command("rushhour")
  .description("API traffic simulator with an SQL-backed log store")
  .exitOverride()
  .showHelpAfterError("(add --help for the options and examples)");

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.invalidUsage; // commander has said why
  } else if (error instanceof RushhourError) {
    console.error(`rushhour: ${error.message}`);
    process.exitCode = error.exitCode;
  } else {
    console.error(error instanceof Error ? error.stack : messageOf(error));
    process.exitCode = EXIT.failure;
  }
}
