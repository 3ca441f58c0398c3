import { isMainThread } from "node:worker_threads";

/**
 * Loaded by every process of a round whose clocks may be wrong (NODE_OPTIONS): the API and the consumer start once more, each with a
 * clock of its own that a file decides. libfaketime has to be there before anything else of a process.
 */
const { CHAOS_CLOCK_LIBRARY: library, CHAOS_FOLDER: folder, LD_PRELOAD } = process.env;
const role = process.argv[2];

if (
  isMainThread &&
  library !== undefined &&
  LD_PRELOAD !== library &&
  (role === "api" || role === "consumer")
) {
  process.execve!(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], {
    ...process.env,
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: `${folder!}/clock-${role}`,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
    DONT_FAKE_MONOTONIC: "1", // its older name
  });
}
