import { Command } from "commander";
import { chaosRound, type RoundOptions, type RoundResult } from "./round.ts";
import { TARGETS, type Target } from "./schedule.ts";

/** `npm run chaos`: rounds of load under blows, each decided by its seed, and what the ledger says of them. */

const program = new Command("chaos")
  .description(
    "Kill, stop and freeze API, consumer, Kafka and MariaDB under load, then prove that nothing was lost or doubled",
  )
  .option("--seed <n>", "of the first round; each further one has the next", "1")
  .option("--rounds <n>", "how many", "5")
  .option("--duration <s>", "of the load of a round, seconds", "60")
  .option("--rate <n>", "requests a second", "500")
  .option("--every <s>", "mean time between two blows, seconds", "5")
  .option("--spool <mode>", "spill or always", "always")
  .option("--targets <list>", "of api, consumer, kafka, mariadb", TARGETS.join())
  .parse();
const { seed, rounds, duration, rate, every, spool, targets } = program.opts<Record<string, string>>();

for (let n = 0; n < Number(rounds); n++) {
  const options: RoundOptions = {
    ...{ seed: Number(seed) + n, durationMs: Number(duration) * 1_000, ratePerSecond: Number(rate) },
    ...{
      meanMs: Number(every) * 1_000,
      spool: spool as RoundOptions["spool"],
      targets: targets!.split(",") as Target[],
    },
    say: (line) => console.log(line),
  };
  console.log(`round ${n + 1} of ${rounds!}, seed ${options.seed}`);
  const result = await chaosRound(options);
  const problems = problemsOf(result, options);
  const { answered, stored, unanswered, missing, duplicates } = result.ledger;
  console.log(
    `  answered ${answered} = stored ${stored} + missing ${missing}; unanswered ${unanswered}, duplicates ${duplicates}; drift ${result.drift}`,
  );
  const slowest = result.recoveries.reduce((most, { wellMs }) => Math.max(most, wellMs), 0);
  console.log(
    `  ${result.recoveries.length} blows, well again at most ${slowest} ms after what was hit came back`,
  );
  if (problems.length === 0) continue;
  console.log(problems.map((problem) => `  FAILED: ${problem}`).join("\n"));
  console.log(
    `  again: npm run chaos -- --seed ${options.seed} --rounds 1 --duration ${duration!} --rate ${rate!} --every ${every!} --spool ${spool!} --targets ${targets!}`,
  );
  process.exitCode = 1;
}

/** In mode spill a killed API loses what it held in memory, which shows as missing, with its tail unknown. */
export function problemsOf(
  { ledger, drift, gaps }: RoundResult,
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
