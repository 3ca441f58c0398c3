import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { Command, Option } from "commander";
import { z } from "zod";
import { readSettings, sqlSettings } from "../contract/config.ts";
import { messageOf, RushhourError } from "../contract/errors.ts";
import { READER_STATEMENT_SECONDS } from "../init_db/database.ts";
import { userUrlOf } from "./servers.ts";
import { EXAMPLES } from "./sql-examples.ts";
import { FORMATS, TABLE_ROWS } from "./sql-output.ts";
import { runStatements } from "./sql-run.ts";
import { statementsOf, type Statement } from "./sql-statements.ts";
import { clientLines } from "./sql-url.ts";

const LIMIT_RULE = "must be a whole number from 1 to 1000000";

const sqlCommandSettings = z
  .object({
    ...sqlSettings.shape,
    SQL_FORMAT: z.enum(FORMATS, `must be ${FORMATS.join(", ")}`).default("table"),
    SQL_LIMIT: z.coerce
      .number(LIMIT_RULE)
      .int(LIMIT_RULE)
      .min(1, LIMIT_RULE)
      .max(1_000_000, LIMIT_RULE)
      .optional(),
  })
  .refine(({ SQL_FORMAT, SQL_LIMIT }) => SQL_FORMAT === "table" || SQL_LIMIT === undefined, {
    path: ["SQL_LIMIT"],
    error: "is for a table; csv, json and ndjson write every row: put LIMIT into the query",
  });
type Settings = z.output<typeof sqlCommandSettings>;

interface Options {
  format?: string;
  limit?: string;
  file?: string;
  explain?: boolean;
  examples?: boolean;
  example?: string;
  url?: boolean;
}

export function sqlCommand(): Command {
  return new Command("sql")
    .description("Query the store as the reader, who may only look")
    .argument("[query]", "one or several statements parted by ; (default: standard input)")
    .option("--file <file>", "read them from this file")
    .option("--format <format>", "table, csv, json or ndjson (default: table)")
    .option("--limit <n>", `rows that a table shows at most (default: ${TABLE_ROWS})`)
    .option("--explain", "show how the database would run them, with keys and rows read, and do not run them")
    .addOption(
      new Option("--examples", "list queries to begin with").conflicts([
        ...["file", "format", "limit", "explain", "example"],
      ]),
    )
    .addOption(new Option("--example <name>", "run one of them").conflicts("file"))
    .addOption(
      new Option("--url", "print what other clients need to read the store: URL, password").conflicts([
        ...["file", "format", "limit", "explain", "examples", "example"],
      ]),
    )
    .addHelpText(
      "after",
      `
A statement that runs longer than ${READER_STATEMENT_SECONDS} s is stopped. Times are in UTC.

Examples:
  rushhour sql "SELECT endpoint, COUNT(*) AS requests FROM api_logs GROUP BY endpoint ORDER BY 2 DESC"
  rushhour sql --format csv "SELECT * FROM api_logs ORDER BY timestamp DESC LIMIT 100" > logs.csv
  rushhour sql < queries.sql
  rushhour sql --example failing-now
  rushhour sql --explain "SELECT * FROM api_logs WHERE status_code = 500"`,
    )
    .action(async (words: string | undefined, options: Options, command: Command) => {
      refuseTwoSources(words, options);
      const settings = readSettings(sqlCommandSettings, process.env, {
        SQL_FORMAT: { flag: "--format", value: options.format },
        SQL_LIMIT: { flag: "--limit", value: options.limit },
      });
      if (options.examples) return console.log(exampleList());
      if (options.url) return console.log(clientLines(userUrlOf("reader", settings), originOf(settings)));
      if (isNothingGiven(words, options)) command.help({ error: true });
      const statements = await readStatements(words, options);
      await runStatements(statements, userUrlOf("reader", settings), {
        format: settings.SQL_FORMAT,
        limit: settings.SQL_LIMIT ?? TABLE_ROWS,
        explain: options.explain ?? false,
      });
    });
}

/** Two flags are commander's to refuse; a query beside one is ours. */
function refuseTwoSources(words: string | undefined, { file, example, examples, url }: Options): void {
  const flag = file ? "--file" : example ? "--example" : examples ? "--examples" : url ? "--url" : undefined;
  if (words !== undefined && flag !== undefined)
    throw new RushhourError("CONFIG_INVALID", `a query and ${flag} are both given: leave one of them out`);
}

function isNothingGiven(words: string | undefined, { file, example }: Options): boolean {
  return (words ?? file ?? example) === undefined && process.stdin.isTTY;
}

function exampleList(): string {
  const longest = Math.max(...EXAMPLES.map(({ name }) => name.length));
  return EXAMPLES.map(({ name, title }) => `${name.padEnd(longest)}  ${title}`).join("\n");
}

function originOf({ MYSQL_READER_URL, RUSHHOUR_HOME }: Settings): string {
  return MYSQL_READER_URL === undefined
    ? `${RUSHHOUR_HOME}/credentials (readable by you alone) as MYSQL_READER_PASSWORD`
    : "MYSQL_READER_URL";
}

/** @throws RushhourError CONFIG_INVALID when there is nothing to run */
async function readStatements(words: string | undefined, options: Options): Promise<Statement[]> {
  const source = options.file ?? (words === undefined ? "standard input" : "the query");
  const sql = words ?? exampleSql(options.example) ?? (await readText(options.file));
  const statements = statementsOf(sql.replace(/^\uFEFF/, ""));
  if (statements.length === 0)
    throw new RushhourError("CONFIG_INVALID", `${source} holds no statement: give one, such as "SELECT 1"`);
  return statements;
}

/** The SQL of an example, also shown on standard error, so that it can be changed. */
function exampleSql(name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  const example = EXAMPLES.find((one) => one.name === name);
  if (!example)
    throw new RushhourError(
      "CONFIG_INVALID",
      `--example=${name} is none of ${EXAMPLES.map((one) => one.name).join(", ")}: rushhour sql --examples says what they are`,
    );
  console.error(`${example.sql}\n`);
  return example.sql;
}

async function readText(file: string | undefined): Promise<string> {
  if (file === undefined) return text(process.stdin);
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new RushhourError("CONFIG_INVALID", `--file=${file} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
