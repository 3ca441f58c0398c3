import { setImmediate as turn } from "node:timers/promises";
import { Counter, type Registry } from "prom-client";
import type { RecordKind, Publishable } from "../../contract/record-kind.ts";
import type { Publisher } from "../../producer/publisher.ts";
import type { Taken } from "../../producer/publish.ts";
import type { Checked } from "./check.ts";

/** The most records a request may bring. */
export const MAX_RECORDS = 10_000;
/** After so many the server sees to others. */
const BURST = 500;

/** Where records go that others made. */
export type Sink = Pick<Publisher, "publishOf" | "hasRoom">;

const TRUE = Promise.resolve(true);

/** Hands a record over. */
export type Take = () => Taken;

/** A record as it was checked, with the hand that takes it. */
export type Candidate = { readonly take: Take } | { readonly reason: string } | "ignored";

export interface Intake {
  candidate<R extends Publishable>(kind: RecordKind<R>, checked: Checked<R>): Candidate;
  /**
   * Hands over in turn all that can be, until there is no room for one.
   * @returns how many of the candidates were looked at: less than all when there was no room
   */
  take(candidates: readonly Candidate[]): Promise<number>;
}

export function createIntake({ publishOf, hasRoom }: Sink, registry: Registry): Intake {
  const outcomes = new Counter({
    name: "ingest_records_total",
    help: "Records that others sent to /ingest/logs and /v1, by what became of them: accepted, rejected, ignored, not_taken",
    labelNames: ["outcome"],
    registers: [registry],
  });

  /** @returns how many were looked at; of those that are written ahead all go to disk together */
  async function takeBurst(candidates: readonly Candidate[]): Promise<number> {
    const taken: Promise<boolean>[] = [];
    for (const candidate of candidates) {
      if (candidate === "ignored" || "reason" in candidate) taken.push(TRUE);
      // The publisher would count what it has no room for as lost; here somebody can send it again.
      else if (hasRoom()) taken.push(Promise.resolve(candidate.take()));
      else break;
    }
    const refused = (await Promise.all(taken)).indexOf(false);
    return refused < 0 ? taken.length : refused;
  }

  return {
    candidate: (kind, checked) => {
      if ("reason" in checked) return checked;
      const publish = publishOf(kind);
      return { take: () => publish(checked.record) };
    },
    async take(candidates) {
      let looked = 0;
      while (looked < candidates.length) {
        const burst = candidates.slice(looked, looked + BURST);
        const taken = await takeBurst(burst);
        for (const candidate of burst.slice(0, taken)) outcomes.inc({ outcome: outcomeOf(candidate) });
        looked += taken;
        if (taken < burst.length) break;
        await turn();
      }
      outcomes.inc({ outcome: "not_taken" }, candidates.length - looked);
      return looked;
    },
  };
}

function outcomeOf(candidate: Candidate): "ignored" | "accepted" | "rejected" {
  if (candidate === "ignored") return "ignored";
  return "take" in candidate ? "accepted" : "rejected";
}
