import { setTimeout as wait } from "node:timers/promises";
import type { Ledger } from "../../simulator/ledger/ledger.ts";
import { blowsOf, CALM_LAST_MS, type Kind } from "./schedule.ts";
import { openStage, type StageOptions, type Watch } from "./stage.ts";

export interface RoundOptions extends StageOptions {
  readonly meanMs: number; // between two blows
  readonly kinds: readonly Kind[];
  readonly say: (line: string) => void;
}

export interface RoundResult {
  readonly ledger: Ledger;
  readonly drift: number; // rows of v_rollup_drift
  readonly gaps: readonly string[]; // publishers with numbers that are nowhere, or a tail that nobody knows
  readonly recoveries: readonly Recovery[];
  /** What must not be; logs and data are left in a folder then. */
  readonly problems: readonly string[];
}

export interface Recovery {
  readonly blow: string;
  readonly awayMs: number; // until the trouble was over and what died served again
  readonly wellMs: number; // from then until API and consumer are ready and new rows come
}

/** One round: a load, blows by schedule, and what the ledger says of it. */
export async function chaosRound(options: RoundOptions): Promise<RoundResult> {
  const { seed, durationMs, meanMs, kinds, say } = options;
  await using stage = await openStage({ ...options, prepare: kinds.flatMap(({ prepare }) => prepare ?? []) });
  const recoveries: Recovery[] = [];
  const began = performance.now();
  for (const { atMs, name, strike } of blowsOf(seed, durationMs, meanMs, kinds)) {
    await wait(Math.max(0, atMs - (performance.now() - began)));
    if (stage.hasEnded() || performance.now() - began > durationMs - CALM_LAST_MS) break; // recovering took long
    const struckMs = performance.now();
    await strike(stage);
    const backMs = performance.now();
    const rows = await stage.database.storedRows();
    await stage.until(
      `the pipeline to be well after: ${name}`,
      async () => (await stage.isWell()) && (await stage.database.storedRows()) > rows,
    );
    const recovery = {
      ...{ blow: name, awayMs: Math.round(backMs - struckMs) },
      wellMs: Math.round(performance.now() - backMs),
    };
    recoveries.push(recovery);
    say(
      `  ${(atMs / 1_000).toFixed(1).padStart(5)} s  ${name.padEnd(28)} over after ${recovery.awayMs} ms, well ${recovery.wellMs} ms later`,
    );
  }
  const ledger = await stage.end();
  const result = { ledger, recoveries, ...(await proofOf(stage.database)) };
  const problems = problemsOf(result, options);
  if (problems.length === 0) return { ...result, problems };
  stage.keep();
  return { ...result, problems: [...problems, `logs and data are left in ${stage.home}`] };
}

async function proofOf({ ask }: Watch): Promise<Pick<RoundResult, "drift" | "gaps">> {
  const drift = await ask("SELECT * FROM v_rollup_drift");
  const gaps = await ask("SELECT * FROM v_ingest_gaps WHERE tail <> 'alive'");
  const text = (value: unknown) => String(value);
  return {
    drift: drift.length,
    gaps: gaps.map(
      (gap) =>
        `${text(gap["service"])} ${text(gap["tail"])}: ${text(gap["first_seq"])} to ${text(gap["last_seq"])}`,
    ),
  };
}

/** What a round must not show. In mode spill a killed API loses what it held in memory: that is missing, with its tail unknown. */
function problemsOf(
  { ledger, drift, gaps }: Pick<RoundResult, "ledger" | "drift" | "gaps">,
  { spool }: Pick<RoundOptions, "spool">,
): string[] {
  const { missing, pending, duplicates, stored_unanswered, unanswered } = ledger;
  return [
    ...(missing > 0 && (spool === "always" || gaps.length === 0)
      ? [`${missing} answered requests have no row`]
      : []),
    ...(pending > 0 ? [`${pending} answered requests have no row yet`] : []),
    ...(duplicates > 0 ? [`${duplicates} duplicates`] : []),
    ...(stored_unanswered > unanswered ? [`${stored_unanswered - unanswered} rows of no request`] : []),
    ...(drift > 0 ? [`${drift} buckets of the rollups differ from their rows`] : []),
    ...(gaps.length > 0 && spool === "always" ? gaps : []),
  ];
}
