/** A terminal's ^C reaches a process twice within a millisecond when npm passes it on: one request, not two. */
const SAME_SIGNAL_MS = 1_000;

/**
 * Calls `handler` at SIGINT and SIGTERM: the first asks to stop in order; a later one, more than a second after, is
 * `forceful`.
 * @returns a function that stops listening
 */
export function onShutdownSignal(handler: (signal: NodeJS.Signals, forceful: boolean) => void): () => void {
  let firstMs: number | undefined;
  const listener = (signal: NodeJS.Signals) => {
    const nowMs = performance.now();
    if (firstMs !== undefined && nowMs - firstMs < SAME_SIGNAL_MS) return;
    const forceful = firstMs !== undefined;
    firstMs ??= nowMs;
    handler(signal, forceful);
  };
  process.on("SIGINT", listener);
  process.on("SIGTERM", listener);
  return () => {
    process.off("SIGINT", listener);
    process.off("SIGTERM", listener);
  };
}

/** Waits for the first signal; a forceful one after it ends the process with `forcedExitCode`. */
export function shutdownSignal(forcedExitCode: number): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    onShutdownSignal((signal, forceful) => {
      if (forceful) process.exit(forcedExitCode);
      resolve(signal);
    });
  });
}
