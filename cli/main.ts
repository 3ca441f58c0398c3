import { Command, CommanderError } from "commander";
import packageJson from "../package.json" with { type: "json" };
import { EXIT, isErrorCode, messageOf, RushhourError } from "../contract/errors.ts";
import { harmless } from "../contract/harmless.ts";

/** One command a file; only the one asked for is loaded, so that a role starts without the others' libraries. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  up: async () => (await import("./up.ts")).upCommand(),
  simulate: async () => (await import("./simulate.ts")).simulateCommand(),
  quick: async () => (await import("./quick.ts")).quickCommand(),
  replay: async () => (await import("./replay.ts")).replayCommand(),
  inspect: async () => (await import("./inspect.ts")).inspectCommand(),
  new: async () => (await import("./new.ts")).newCommand(),
  "find-max": async () => (await import("./find-max.ts")).findMaxCommand(),
  verify: async () => (await import("./verify.ts")).verifyCommand(),
  runs: async () => (await import("./runs.ts")).runsCommand(),
  report: async () => (await import("./report.ts")).reportCommand(),
  compare: async () => (await import("./compare.ts")).compareCommand(),
  sql: async () => (await import("./sql.ts")).sqlCommand(),
  api: async () => (await import("./api.ts")).apiCommand(),
  consumer: async () => (await import("./consumer.ts")).consumerCommand(),
  producer: async () => (await import("./producer.ts")).producerCommand(),
  tail: async () => (await import("./tail.ts")).tailCommand(),
  backfill: async () => (await import("./backfill.ts")).backfillCommand(),
  "test-errors": async () => (await import("./test-errors.ts")).testErrorsCommand(),
  spool: async () => (await import("./spool.ts")).spoolCommand(),
  "dead-letters": async () => (await import("./dead-letters.ts")).deadLettersCommand(),
  retention: async () => (await import("./retention.ts")).retentionCommand(),
  reconcile: async () => (await import("./reconcile.ts")).reconcileCommand(),
  backup: async () => (await import("./backup.ts")).backupCommand(),
  restore: async () => (await import("./restore.ts")).restoreCommand(),
  migrate: async () => (await import("./migrate.ts")).migrateCommand(),
  topics: async () => (await import("./topics.ts")).topicsCommand(),
  engines: async () => (await import("./engines.ts")).enginesCommand(),
  doctor: async () => (await import("./doctor.ts")).doctorCommand(),
};

const [, , wanted = ""] = process.argv;
const names = wanted in COMMANDS ? [wanted] : Object.keys(COMMANDS);

const program = new Command("rushhour")
  .description(
    "An API traffic simulator with an SQL-backed log store: a mock shop writes each request to Kafka, a consumer stores it in SQL, and the ledger proves that none was lost.",
  )
  .version(packageJson.version)
  .exitOverride()
  .configureOutput({ writeErr: (text) => process.stderr.write(harmless(text)) }) // it quotes what was typed
  .showHelpAfterError("(add --help for the options and examples)")
  .addHelpText(
    "after",
    `
Examples:
  rushhour up                      everything at once, until Ctrl-C
  rushhour up -d 20s --rate 200/s  the same for 20 seconds
  rushhour doctor                  what is there, what is missing, what to do
  rushhour <command> --help        options and examples of a command`,
  );
for (const name of names) {
  const command = await COMMANDS[name]!();
  program.addCommand(command.copyInheritedSettings(program));
}

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

/** Says what went wrong once, without a stack where a person can mend it. @returns the exit code */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.invalidUsage; // commander has said why
  const known = error instanceof RushhourError ? error : rushhourError(error);
  console.error(
    harmless(
      known ? `rushhour: ${known.message}` : ((error as Partial<Error> | null)?.stack ?? messageOf(error)),
    ),
  );
  return known?.exitCode ?? EXIT.failure;
}

/** engines/ imports nothing of ours, so its errors carry our codes on a class of their own. */
function rushhourError(error: unknown): RushhourError | undefined {
  const code = error instanceof Error ? (error as Error & { code?: unknown }).code : undefined;
  return isErrorCode(code) ? new RushhourError(code, messageOf(error), { cause: error }) : undefined;
}
