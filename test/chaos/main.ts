import { Command } from "commander";
import { KIND_NAMES, kindsOf } from "./blows.ts";
import { chaosRound, problemsOf, type RoundOptions } from "./round.ts";

/** `npm run chaos`: rounds of load under blows, each decided by its seed, and what the ledger says of them. */

const program = new Command("chaos")
  .description(
    "Strike API, consumer, Kafka and MariaDB under load, then prove that nothing was lost or doubled",
  )
  .option("--seed <n>", "of the first round; each further one has the next", "1")
  .option("--rounds <n>", "how many", "5")
  .option("--duration <s>", "of the load of a round, seconds", "60")
  .option("--rate <n>", "requests a second", "500")
  .option("--every <s>", "mean time between two blows, seconds", "5")
  .option("--spool <mode>", "spill or always", "always")
  .option("--blows <list>", "which kinds, by the beginnings of their names (default: all)", "")
  .option("--keep", "leave data and logs of each round in the temporary folder")
  .addHelpText("after", `\nBlows: ${KIND_NAMES.join(", ")}`)
  .parse();
const { seed, rounds, duration, rate, every, spool, blows } = program.opts<Record<string, string>>();
const { keep = false } = program.opts<{ keep?: boolean }>();
const kinds = kindsOf(blows!.split(","));

for (let n = 0; n < Number(rounds); n++) {
  const options: RoundOptions = {
    ...{ seed: Number(seed) + n, durationMs: Number(duration) * 1_000, ratePerSecond: Number(rate) },
    ...{ meanMs: Number(every) * 1_000, spool: spool as RoundOptions["spool"], kinds, keep },
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
  console.log(`  ${result.recoveries.length} blows, well again at most ${slowest} ms after each was over`);
  if (problems.length === 0) continue;
  console.log(problems.map((problem) => `  FAILED: ${problem}`).join("\n"));
  console.log(
    `  again: npm run chaos -- --seed ${options.seed} --rounds 1 --duration ${duration!} --rate ${rate!} --every ${every!} --spool ${spool!}${blows ? ` --blows ${blows}` : ""}`,
  );
  process.exitCode = 1;
}
