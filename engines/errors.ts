export const ENGINE_ERROR_CODES = [
  "PREREQUISITE_MISSING", // Java, Maven or a shared library is not there
  "DISK_FULL",
  "ENGINE_FAILED", // it did not start, or keeps dying
  "PORT_IN_USE",
  "ALREADY_RUNNING", // the data folder is in use by a living process
] as const;

export type EngineErrorCode = (typeof ENGINE_ERROR_CODES)[number];

/** Thrown on purpose by this room; its message is complete for a person: what, the rule, the way out. */
export class EngineError extends Error {
  readonly code: EngineErrorCode;

  constructor(code: EngineErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "EngineError";
    this.code = code;
  }
}

/** The code of a system error such as ENOENT; undefined for anything else that was thrown. */
export function errnoOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && "code" in thrown && typeof thrown.code === "string"
    ? thrown.code
    : undefined;
}
