import Table from "cli-table3";
import { Command } from "commander";
import { APP_LOG, type AppLog, type LoggedException } from "../contract/app-log.ts";
import { kafkaSettings, readSettings } from "../contract/config.ts";
import { requestIdAt } from "../contract/request-id.ts";
import { publishing } from "./publishing.ts";
import { kafkaOf } from "./servers.ts";

export function testErrorsCommand(): Command {
  return new Command("test-errors")
    .description("Log 3 errors and 2 critical ones of four services, to see where they arrive")
    .addHelpText(
      "after",
      `
They are real application logs on application-logs-errors, with stack and context, through a publisher as any other: they show in
app_logs, in its groups and hours, on the live page, and alerts answer to them. Each call sends five more, of the same groups.

Examples:
  rushhour test-errors
  rushhour sql "SELECT * FROM v_app_errors"
  KAFKA_BROKERS=kafka:9092 rushhour test-errors`,
    )
    .action(sendTestErrors);
}

async function sendTestErrors(): Promise<void> {
  const settings = readSettings(kafkaSettings, process.env);
  const sent = await publishing("test-errors", kafkaOf(settings), async ({ publisher }) => {
    const logs = testErrors(Date.now());
    const publish = publisher.publishOf(APP_LOG);
    for (const log of logs) await publish(log);
    return logs;
  });
  const table = new Table({
    head: ["level", "service", "message", "log_id"],
    style: { head: [], border: [] },
  });
  for (const { level, service, message, log_id } of sent) table.push([level, service, message, log_id]);
  const ids = sent.map(({ log_id }) => `'${log_id}'`).join(", ");
  console.log(`${table.toString()}
${sent.length} application logs sent. Once a consumer has stored them:
  npx rushhour sql "SELECT timestamp, level, service, message, stack FROM app_logs WHERE timestamp >= UTC_TIMESTAMP() - INTERVAL 1 HOUR AND log_id IN (${ids})"
  npx rushhour sql "SELECT * FROM v_app_errors ORDER BY last_seen DESC LIMIT 5"`);
}

type TestError = Pick<
  AppLog,
  "level" | "service" | "logger" | "message" | "module" | "function" | "line" | "context"
> & {
  readonly exception: LoggedException;
};

const stackOf = (type: string, message: string, ...frames: readonly string[]): LoggedException => ({
  ...{ type, message },
  stack: [`${type}: ${message}`, ...frames.map((frame) => `    at ${frame}`)].join("\n"),
});

const SOURCES: readonly TestError[] = [
  {
    ...{ level: "ERROR", service: "users", logger: "users.store", message: "user 4711 could not be read" },
    ...{
      module: "/srv/shop/users/store.js",
      function: "readUser",
      line: 41,
      context: { user: 4711, attempt: 3 },
    },
    exception: stackOf(
      ...(["QueryTimeout", "no answer from the replica within 2000 ms"] as const),
      ...["readUser (/srv/shop/users/store.js:41:13)", "getUser (/srv/shop/users/routes.js:19:22)"],
      "process.processTicksAndRejections (node:internal/process/task_queues:104:5)",
    ),
  },
  {
    ...{ level: "ERROR", service: "products", logger: "products.prices", message: "product 17 has no price" },
    ...{ module: "/srv/shop/products/prices.js", function: "priceOf", line: 12, context: { product: 17 } },
    exception: stackOf(
      ...(["TypeError", "Cannot read properties of undefined (reading 'cents')"] as const),
      ...["priceOf (/srv/shop/products/prices.js:12:31)", "getProduct (/srv/shop/products/routes.js:44:16)"],
    ),
  },
  {
    ...{
      level: "ERROR",
      service: "orders",
      logger: "orders.stock",
      message: "stock of order 815 was not reserved",
    },
    ...{
      module: "/srv/shop/orders/stock.js",
      function: "reserve",
      line: 88,
      context: { order: 815, items: 2 },
    },
    exception: stackOf(
      ...(["DeadlockError", "transaction 90210 was chosen as the victim"] as const),
      ...["reserve (/srv/shop/orders/stock.js:88:9)", "placeOrder (/srv/shop/orders/routes.js:61:18)"],
    ),
  },
  {
    ...{ level: "CRITICAL", service: "orders", logger: "orders.payment", message: "no payment is possible" },
    ...{
      module: "/srv/shop/orders/payment.js",
      function: "charge",
      line: 94,
      context: { bank: "test", waiting: 12 },
    },
    exception: stackOf(
      ...(["PaymentGatewayError", "connection was reset while waiting for the bank"] as const),
      ...["charge (/srv/shop/orders/payment.js:94:17)", "payOrder (/srv/shop/orders/routes.js:137:24)"],
    ),
  },
  {
    ...{
      level: "CRITICAL",
      service: "notifications",
      logger: "notifications.mail",
      message: "the outbox is full",
    },
    ...{
      module: "/srv/shop/notifications/outbox.js",
      function: "enqueue",
      line: 29,
      context: { held: 10_000 },
    },
    exception: stackOf(
      ...(["OutboxFull", "10000 mails wait, none was taken for 60 s"] as const),
      ...[
        "enqueue (/srv/shop/notifications/outbox.js:29:11)",
        "onOrder (/srv/shop/notifications/events.js:14:20)",
      ],
    ),
  },
];

/** One log of each source, as of now. */
export function testErrors(nowMs: number): AppLog[] {
  return SOURCES.map((source) => ({
    ...{ v: 1, log_id: requestIdAt(nowMs), timestamp: new Date(nowMs).toISOString() },
    ...{ host: "test-errors", process: String(process.pid), ...source },
  }));
}
