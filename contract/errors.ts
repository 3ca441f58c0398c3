/** Exit codes of every command. k6's where k6 has one; 111 and 112 are ours. */
export const EXIT = {
  ok: 0,
  failure: 1,
  thresholdsFailed: 99,
  invalidUsage: 104,
  stoppedBySignal: 105,
  scenarioException: 107,
  ledgerUnbalanced: 111,
  generatorBehind: 112,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const ERROR_CODES = [
  "CONFIG_INVALID", // a flag, variable or file breaks a rule
  "PREREQUISITE_MISSING", // Java, Maven … are not there
  "PORT_IN_USE",
  "SERVER_UNREACHABLE", // Kafka or the database does not answer
  "DISK_FULL",
  "ENGINE_FAILED", // a private engine did not start or keeps dying
  "ROLE_FAILED", // a process of ours keeps dying
  "MIGRATION_FAILED",
  "QUERY_FAILED",
  "RUN_UNKNOWN", // no tally of that run
  "ALREADY_RUNNING",
  "STOPPED", // by a signal, before there was anything to report
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

const EXIT_OF: Partial<Record<ErrorCode, ExitCode>> = {
  CONFIG_INVALID: EXIT.invalidUsage,
  PREREQUISITE_MISSING: EXIT.invalidUsage,
  PORT_IN_USE: EXIT.invalidUsage,
  RUN_UNKNOWN: EXIT.invalidUsage,
  ALREADY_RUNNING: EXIT.invalidUsage,
  STOPPED: EXIT.stoppedBySignal,
};

/**
 * Base of every error thrown on purpose. Its message is complete for a person: what, the value received, the
 * rule, the way out. The CLI prints it without a stack and exits with `exitCode`.
 */
export class RushhourError extends Error {
  readonly code: ErrorCode;
  readonly exitCode: ExitCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "RushhourError";
    this.code = code;
    this.exitCode = EXIT_OF[code] ?? EXIT.failure;
  }
}

/** The message of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return ERROR_CODES.includes(value as ErrorCode);
}
