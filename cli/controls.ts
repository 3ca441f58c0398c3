import { spawnSync } from "node:child_process";
import { emitKeypressEvents } from "node:readline";
import type { ReadStream } from "node:tty";
import type { Audit } from "../contract/audit.ts";
import { messageOf } from "../contract/errors.ts";
import { MAX_RATE_FACTOR, MIN_RATE_FACTOR } from "../simulator/control/run-control.ts";
import type { LiveFault, RunControl } from "../simulator/control/run-control.ts";
import { controlOf } from "../simulator/control/live-run.ts";
import { createControlServer } from "../simulator/control/server.ts";
import type { Incidents } from "../simulator/engine/incidents.ts";
import type { Run } from "../simulator/engine/run.ts";
import type { LoadPlan } from "../simulator/plan/plan.ts";
import { audited, auditWrongTokens } from "./audited-control.ts";

export const KEY_HELP = "space pause  + - rate  f errors  s slowness  q stop  ? help";

export interface ControlOptions {
  readonly port: number | undefined; // of the HTTP control; 0 takes a free one, undefined none
  readonly token: string | undefined;
  /** Where changes are said to; undefined without a pipeline. */
  readonly audit?: Audit | undefined;
  /** Shows a line to whoever watches the run. */
  readonly say: (line: string) => void;
}

const CLOSE_MS = 1_000;

/**
 * Lets keys and, if wanted, HTTP requests change a run, and says what happens in it, until the function returned is called.
 * @throws RushhourError PORT_IN_USE
 */
export async function controlRun(
  plan: LoadPlan,
  run: Run,
  incidents: Incidents,
  { port, token, audit, say }: ControlOptions,
): Promise<() => Promise<void>> {
  const control = controlOf(plan, run, incidents);
  const by = (via: "control" | "key") => (audit === undefined ? control : audited(control, via, audit));
  const onWrongToken = audit && auditWrongTokens(audit, run.run_id);
  const server =
    port === undefined
      ? undefined
      : await createControlServer({ port, token, run: by("control"), onWrongToken });
  if (server) say(`control at ${server.url}/v1/run`);
  const forgetEvents = run.onEvent(({ at_ms, text }) => say(`${(at_ms / 1_000).toFixed(1)} s: ${text}`));
  const forgetKeys = readKeys(process.stdin, keysOf(by("key"), say));
  return async () => {
    forgetKeys();
    forgetEvents();
    await server?.close(CLOSE_MS);
  };
}

/** What each key does, by the character it sends. */
export type KeyHandlers = Readonly<Record<string, () => void>>;

/** What the terminal itself would send to everybody in the foreground, were its keys not read raw. */
const SIGNAL_OF: Readonly<Record<string, NodeJS.Signals>> = {
  "\x03": "SIGINT", // Ctrl-C
  "\x1a": "SIGTSTP", // Ctrl-Z
  "\x1c": "SIGQUIT", // Ctrl-\
};

/**
 * Reads single keys from a terminal until the function returned is called. Ctrl-C, Ctrl-Z and Ctrl-\ stay the signals
 * they are. Does nothing when `input` is no terminal, or another job has it.
 *
 * The terminal is as it was whenever the process is not reading it: Node itself sets it back at every end of the
 * process but SIGKILL and SIGQUIT, and here it is set back while the process is stopped and before SIGQUIT.
 */
export function readKeys(input: ReadStream, handlers: KeyHandlers): () => void {
  if (!input.isTTY) return () => undefined;
  const onKey = (_text: string | undefined, { sequence = "" }: { readonly sequence?: string }) => {
    const signal = SIGNAL_OF[sequence];
    if (signal !== undefined && signal !== "SIGINT") release(); // before a shell takes the terminal back
    if (signal !== undefined) process.kill(0, signal);
    else if (Object.hasOwn(handlers, sequence)) handlers[sequence]!();
  };
  const take = () => {
    if (!hasTerminal()) return; // to touch it from the background would stop the process
    release(); // a shell may have changed its mode behind our back
    input.setRawMode(true);
    input.on("keypress", onKey).resume();
  };
  const release = () => {
    if (!input.isRaw) return;
    input.off("keypress", onKey).pause();
    input.setRawMode(false);
  };
  const suspend = () => {
    release();
    process.kill(process.pid, "SIGSTOP"); // SIGCONT is what comes next
  };
  const hungUp = () => undefined; // SIGHUP says what is to be done

  emitKeypressEvents(input);
  input.on("error", hungUp);
  process.on("SIGTSTP", suspend).on("SIGCONT", take);
  take();
  return () => {
    process.off("SIGTSTP", suspend).off("SIGCONT", take);
    release();
    input.off("error", hungUp);
  };
}

/** Whether this process is in the terminal's foreground; where nobody can tell, it is taken to be. */
function hasTerminal(): boolean {
  const ps = spawnSync("ps", ["-o", "pgid=,tpgid=", "-p", String(process.pid)], { encoding: "utf8" });
  if (ps.status !== 0) return true;
  const [group, foreground] = ps.stdout.trim().split(/\s+/);
  return group === foreground;
}

const RATE_STEP = 1.1;
const FAULT_MS = 600_000; // whoever forgets to end it

type KeyFault = Pick<LiveFault, "kind" | "intensity">;

const ERRORS: KeyFault = { kind: "error-burst", intensity: { rate: 0.3, burst_length: 5, status: 503 } };
const SLOWNESS: KeyFault = {
  kind: "slow",
  intensity: { rate: 1, latency_median_ms: 500, latency_sigma: 0.4 },
};

/**
 * The keys of {@link KEY_HELP} for a run.
 * @param say shows a line to the person at the keys
 */
export function keysOf(run: RunControl, say: (line: string) => void): KeyHandlers {
  const rate = (times: number) => {
    const factor = Number((run.status().rate_factor * times).toPrecision(3));
    run.change({ rate_factor: Math.min(MAX_RATE_FACTOR, Math.max(MIN_RATE_FACTOR, factor)) });
  };
  const faster = () => rate(RATE_STEP);
  return {
    " ": () => run.change({ paused: !run.status().paused }),
    "+": faster,
    "=": faster, // the same key without shift
    "-": () => rate(1 / RATE_STEP),
    f: faultKey(run, ERRORS, say),
    s: faultKey(run, SLOWNESS, say),
    q: () => run.stop(),
    "?": () => say(KEY_HELP),
  };
}

/** Starts the fault, or ends the one it started; each start under a name of its own. */
function faultKey(run: RunControl, fault: KeyFault, say: (line: string) => void): () => void {
  let starts = 0;
  const nameOf = (start: number) => `key-${fault.kind}-${start}`;
  const toggle = async () => {
    if (run.status().faults.some(({ name }) => name === nameOf(starts))) await run.endFault(nameOf(starts));
    else await run.startFault({ ...fault, name: nameOf(++starts), duration_ms: FAULT_MS, route: undefined });
  };
  let last = Promise.resolve();
  return () => {
    last = last.then(toggle).catch((error: unknown) => say(messageOf(error)));
  };
}
