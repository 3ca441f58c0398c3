import { effectOf, type Fault, type FaultState } from "../contract/faults.ts";
import { stream, type Rng } from "../contract/random.ts";

/** Faults at work at the same time; whoever starts one more is refused. */
export const MAX_ACTIVE_FAULTS = 100;

/** Faults that ended stay readable, so that whoever asked for one can fetch its counts. */
const KEPT_MS = 3_600_000;
const KEPT = 200;

/** A request that a fault hits. */
export interface Hit {
  readonly fault: Fault;
  readonly delay_ms: number; // what `slow` adds; 0 for the other kinds
}

/** A fault with all that becomes of it. */
interface Entry {
  readonly fault: Fault;
  readonly startedMs: number; // Unix ms, as all times here
  endsMs: number;
  seen: number;
  affected: number;
  readonly draw: () => Hit | undefined; // for the next request to its route
}

/** The faults at work and those that lately were. None needs a timer: what is over is found when somebody looks. */
export class Faults {
  readonly #seed: number;
  readonly #now: () => number;
  #active: readonly Entry[] = []; // in the order they came
  #ended: readonly Entry[] = []; // the last to end comes last

  /** @param seed of faults that bring none */
  constructor(seed: number, now: () => number = Date.now) {
    this.#seed = seed;
    this.#now = now;
  }

  /** Whether no request can be hit: all there is to pay on a day without faults. */
  get isIdle(): boolean {
    return this.#active.length === 0;
  }

  /**
   * Starts a fault, in place of the one with its id if there is one.
   * @returns undefined when {@link MAX_ACTIVE_FAULTS} others are at work
   */
  start(fault: Fault): FaultState | undefined {
    this.#sweep();
    const others = this.#active.filter((entry) => entry.fault.id !== fault.id);
    if (others.length >= MAX_ACTIVE_FAULTS) return undefined;
    const startedMs = this.#now();
    const entry: Entry = {
      fault,
      startedMs,
      endsMs: startedMs + fault.for_ms,
      seen: 0,
      affected: 0,
      draw: drawsOf(fault, stream(fault.seed ?? this.#seed, `fault/${fault.id}`)),
    };
    this.#active = [...others, entry];
    this.#ended = this.#ended.filter((ended) => ended.fault.id !== fault.id);
    return this.#stateOf(entry);
  }

  /** Ends a fault and tells its final counts, also when it has ended already; undefined for an id nobody knows. */
  end(id: string): FaultState | undefined {
    this.#sweep((entry) => entry.fault.id === id);
    const entry = this.#ended.find((ended) => ended.fault.id === id);
    return entry && this.#stateOf(entry);
  }

  /** @returns the faults this ended, with their final counts */
  endAll(): FaultState[] {
    this.#sweep();
    const entries = this.#active;
    this.#sweep(() => true);
    return entries.map((entry) => this.#stateOf(entry));
  }

  /** Those at work in the order they came, then those that ended. */
  list(): FaultState[] {
    this.#sweep();
    return [...this.#active, ...this.#ended].map((entry) => this.#stateOf(entry));
  }

  /**
   * What happens to the next request: first whatever slows it down, and last what answers it, if anything does.
   * Faults come in the order they were started; one behind a fault that answers does not see the request.
   */
  draw(route: string): readonly Hit[] {
    const nowMs = this.#now();
    if (this.#active.some(({ endsMs }) => endsMs <= nowMs)) this.#sweep();
    const hits: Hit[] = [];
    for (const entry of this.#active) {
      if (entry.fault.route !== undefined && entry.fault.route !== route) continue;
      entry.seen++;
      const hit = entry.draw();
      if (hit === undefined) continue;
      entry.affected++;
      hits.push(hit);
      if (hit.fault.kind !== "slow") break;
    }
    return hits;
  }

  /** Ends what is over, by its time or because it shall be, and forgets what ended long ago. */
  #sweep(shallEnd: (entry: Entry) => boolean = () => false): void {
    const nowMs = this.#now();
    const isOver = (entry: Entry) => entry.endsMs <= nowMs || shallEnd(entry);
    const over = this.#active.filter(isOver);
    this.#active = this.#active.filter((entry) => !isOver(entry));
    for (const entry of over) entry.endsMs = Math.min(entry.endsMs, nowMs);
    this.#ended = [...this.#ended, ...over].filter(({ endsMs }) => endsMs > nowMs - KEPT_MS).slice(-KEPT);
  }

  #stateOf({ fault, startedMs, endsMs, seen, affected }: Entry): FaultState {
    return {
      ...fault,
      started_at: new Date(startedMs).toISOString(),
      ends_at: new Date(endsMs).toISOString(),
      active: endsMs > this.#now(),
      requests_seen: seen,
      requests_affected: affected,
    };
  }
}

/** Which of the requests that come a fault hits, one after the other. */
function drawsOf(fault: Fault, rng: Rng): () => Hit | undefined {
  const { burst_length, latency_median_ms, latency_sigma } = effectOf(fault);
  const isHit =
    fault.kind === "error-burst" ? bursts(rng, fault.rate, burst_length) : () => rng.float() < fault.rate;
  const delay = fault.kind === "slow" ? () => rng.lognormal(latency_median_ms, latency_sigma) : () => 0;
  return () => (isHit() ? { fault, delay_ms: delay() } : undefined);
}

/**
 * Failures in bursts, by the two-state Markov chain of Gilbert (1960): in one state every request succeeds, in the
 * other every one fails. It leaves the failing state with 1 / L and enters it with r / (L (1 - r)), so bursts have L
 * requests in the mean and the share r of all requests fails in the long run. It begins as if it had run for ever.
 * @param rate r, above 0 and up to 1
 * @param length L, at least r / (1 - r)
 * @see https://doi.org/10.1002/j.1538-7305.1960.tb03959.x (E. N. Gilbert, Capacity of a Burst-Noise Channel)
 */
export function bursts(rng: Rng, rate: number, length: number): () => boolean {
  const leave = rate === 1 ? 0 : 1 / length;
  const enter = rate === 1 ? 1 : rate / (length * (1 - rate));
  let failing = rng.float() < rate;
  return () => {
    const fails = failing;
    failing = rng.float() < (failing ? 1 - leave : enter);
    return fails;
  };
}
