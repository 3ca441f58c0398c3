import type { TracedRequest } from "../plan/plan.ts";
import { loopMs, type OnLeftOut } from "./trace.ts";

/** What a replay is going to do, counted before it begins. */
export interface Survey {
  readonly requests: number; // of all loops
  readonly loop: number;
  readonly duration_ms: number; // from the first request's due time to the last's
  readonly most_in_a_second: number;
  readonly methods: Readonly<Record<string, number>>; // of one loop
  readonly names: Readonly<Record<string, number>>; // of one loop
  readonly left_out: Readonly<Record<string, LeftOut>>; // by reason
}

interface LeftOut {
  readonly count: number;
  readonly first: readonly string[]; // at most three of them
}

const EXAMPLES = 3;
const PROGRESS_REQUESTS = 10_000;

/**
 * Reads a trace to its end and counts.
 * @param trace makes one loop of the trace, telling of what it leaves out
 * @param onProgress told now and then how many requests were read
 */
export async function survey(
  trace: (onLeftOut: OnLeftOut) => AsyncIterable<TracedRequest>,
  { speed, loop }: { readonly speed: number; readonly loop: number },
  onProgress: (requests: number) => void = () => undefined,
): Promise<Survey> {
  const left_out: Record<string, { count: number; first: string[] }> = {};
  const methods = new Map<string, number>();
  const names = new Map<string, number>();
  let count = 0;
  let lastMs = 0;
  let second = 0;
  let inSecond = 0;
  let most = 0;
  const leaveOut: OnLeftOut = (reason, which) => {
    const entry = (left_out[reason] ??= { count: 0, first: [] });
    entry.count++;
    if (which !== undefined && entry.first.length < EXAMPLES) entry.first.push(which);
  };
  for await (const { due_ms, step } of trace(leaveOut)) {
    if (++count % PROGRESS_REQUESTS === 0) onProgress(count);
    lastMs = due_ms;
    const dueSecond = Math.floor(due_ms / 1_000);
    inSecond = dueSecond === second ? inSecond + 1 : 1;
    second = dueSecond;
    most = Math.max(most, inSecond);
    increment(methods, step.method);
    increment(names, step.name ?? step.path);
  }
  return {
    requests: count * loop,
    loop,
    duration_ms: count === 0 ? 0 : (loop - 1) * loopMs(lastMs, count, speed) + lastMs,
    most_in_a_second: most,
    methods: mostFirst(methods),
    names: mostFirst(names),
    left_out,
  };
}

const SHOWN_NAMES = 20;

/** A survey for people. @param title says what is replayed */
export function surveyLines(title: string, plan: Survey): string[] {
  const { requests, loop, duration_ms, most_in_a_second } = plan;
  const names = Object.entries(plan.names);
  const width = Math.max(0, ...names.slice(0, SHOWN_NAMES).map(([name]) => name.length)) + 1;
  const rate = duration_ms > 0 ? `, ${(requests / (duration_ms / 1_000)).toFixed(1)}/s` : "";
  const loops = loop > 1 ? ` in ${n(loop)} loops` : "";
  return [
    title,
    `${n(requests)} ${requests === 1 ? "request" : "requests"}${loops}, ${durationText(duration_ms)}${rate}, at most ${n(most_in_a_second)} in a second`,
    ...Object.entries(plan.methods).map(([method, count]) => `  ${method} ${n(count)}`),
    ...(names.length > 0 ? [loop > 1 ? "requests of each loop" : "requests"] : []),
    ...names
      .slice(0, SHOWN_NAMES)
      .map(([name, count]) => `  ${`${name} `.padEnd(width + 3, ".")} ${n(count)}`),
    ...(names.length > SHOWN_NAMES ? [`  and ${n(names.length - SHOWN_NAMES)} more`] : []),
    ...leftOutLines(plan),
  ];
}

/** What is left out and why, for people; nothing when all is sent. */
export function leftOutLines({ left_out }: Pick<Survey, "left_out">): string[] {
  const reasons = Object.entries(left_out).sort(([, a], [, b]) => b.count - a.count);
  if (reasons.length === 0) return [];
  return [
    "left out",
    ...reasons.flatMap(([reason, { count, first }]) => [
      `  ${n(count)}  ${reason}`,
      ...first.map((which) => `    ${which}`),
    ]),
  ];
}

/** `850 ms`, `12.5 s`, `1 h 30 m 5 s`. */
function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ] as const;
  return parts.flatMap(([value, unit]) => (value > 0 ? [`${value} ${unit}`] : [])).join(" ");
}

function n(count: number): string {
  return count.toLocaleString("en");
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function mostFirst(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a));
}
