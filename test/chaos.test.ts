import { expect, test } from "vitest";
import { kindsOf } from "./chaos/blows.ts";
import { holdTransaction } from "./chaos/blows/points.ts";
import { chaosRound } from "./chaos/round.ts";
import { openStage } from "./chaos/stage.ts";

/** The short form of `npm run chaos`: one round of a seed that holds deaths of each process, and the proof that a round can fail. */

const LOAD = { ratePerSecond: 100, spool: "always" } as const;

test("a round of kills, also at chosen points: every answered request has one row, the rollups agree", async () => {
  const lines: string[] = [];
  const { ledger, drift, problems } = await chaosRound({
    ...{ ...LOAD, seed: 7, durationMs: 30_000, meanMs: 2_500, kinds: kindsOf(["point", "kill"]) },
    say: (line) => lines.push(line),
  });
  console.log(lines.join("\n"));
  expect(problems).toEqual([]);
  expect(ledger.answered).toBeGreaterThan(500);
  expect(ledger.stored).toBe(ledger.answered);
  expect(drift).toBe(0);
}, 120_000);

test("a position moved outside the transaction is caught", async () => {
  await using stage = await openStage({
    ...{ ...LOAD, seed: 1, durationMs: 10_000, bug: "offset-outside-transaction" },
  });
  await stage.until("rows of the load", async () => (await stage.database.storedRows()) > 100);
  const release = await holdTransaction(stage, "api_logs"); // the position has moved, the rows have not come
  const back = stage.kill("consumer");
  release();
  await back;
  expect((await stage.end()).missing).toBeGreaterThan(0);
}, 60_000);
