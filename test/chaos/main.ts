import { Command } from "commander";
import { KIND_NAMES, kindsOf } from "./blows.ts";
import { chaosRound, type RoundOptions } from "./round.ts";

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
  .addHelpText("after", `\nBlows: ${KIND_NAMES.join(", ")}`)
  .parse();
const { seed, rounds, duration, rate, every, spool, blows } = program.opts<Record<string, string>>();
const kinds = kindsOf(blows!.split(","));

for (let n = 0; n < Number(rounds); n++) {
  const options: RoundOptions = {
    ...{ seed: Number(seed) + n, durationMs: Number(duration) * 1_000, ratePerSecond: Number(rate) },
    ...{ meanMs: Number(every) * 1_000, spool: spool as RoundOptions["spool"], kinds },
    say: (line) => console.log(line),
  };
  console.log(`round ${n + 1} of ${rounds!}, seed ${options.seed}`);
  const result = await chaosRound(options);
  const { problems } = result;
  const { answered, stored, dead_lettered, dropped, missing, unanswered, duplicates } = result.ledger;
  console.log(
    `  answered ${answered} = ${stored} stored + ${dead_lettered} dead-lettered + ${dropped} dropped + ${missing} missing; unanswered ${unanswered}, duplicates ${duplicates}; drift ${result.drift}`,
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
