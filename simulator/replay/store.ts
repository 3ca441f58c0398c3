import type { TracedRequest } from "../plan/plan.ts";
import { RushhourError } from "../../contract/errors.ts";
import type { Store } from "../ledger/ledger.ts";
import { traceOf, type RecordedRequest, type TraceOptions } from "./trace.ts";

export interface StoreOptions extends TraceOptions {
  readonly from: Date;
  readonly to: Date; // not included
  readonly where?: string | undefined; // see conditionProblem
  readonly run_id?: string | undefined;
}

/**
 * The requests in api_logs from one time to another, read page by page along the primary key. Their paths come without
 * the query, which the store does not keep; a row without a path is sent to its route if that has no parameters.
 * @param query as a user who may only read: `where` is part of the statement
 * @throws RushhourError CONFIG_INVALID when `where` is not one condition
 */
export function storeTrace(query: Store["query"], options: StoreOptions): AsyncIterable<TracedRequest> {
  const problem = options.where === undefined ? undefined : conditionProblem(options.where);
  if (problem !== undefined)
    throw new RushhourError("CONFIG_INVALID", `the condition ${options.where} ${problem}`);
  return traceOf(() => recordedRequests(query, options), options);
}

const PAGE_ROWS = 5_000;
/** MariaDB takes its limit from the reader's account and the hint for a comment. */
const LIMITED = "/*+ MAX_EXECUTION_TIME(30000) */";

/** A place in the primary key. */
interface Position {
  readonly timestamp: Date;
  readonly request_id: string;
}

/**
 * Page by page of the period's rows, whatever is chosen among them: a condition that holds for few rows makes more statements,
 * none that takes long.
 */
async function* recordedRequests(
  query: Store["query"],
  { from, to, where, run_id, onLeftOut }: StoreOptions,
): AsyncGenerator<RecordedRequest, void, undefined> {
  let after: Position = { timestamp: from, request_id: "" };
  for (;;) {
    const last = await pageEnd(query, after, to);
    const through = last === undefined ? "" : " AND timestamp <= ? AND (timestamp < ? OR request_id <= ?)";
    const bounds = last === undefined ? [] : [last.timestamp, last.timestamp, last.request_id];
    // The condition comes after all parameters, so a question mark in it is none of them.
    const rows = await query(
      `SELECT ${LIMITED} timestamp, request_id, method, endpoint, path, user_agent
         FROM api_logs
        WHERE ${AFTER}${through}${run_id === undefined ? "" : " AND run_id = ?"}${where === undefined ? "" : ` AND (${where})`}
        ORDER BY timestamp, request_id`,
      [...afterParams(after, to), ...bounds, ...(run_id === undefined ? [] : [run_id])],
    );
    for (const row of rows) {
      const request = requestOf(row);
      if (request === undefined) onLeftOut?.("no path stored", `request ${String(row["request_id"])}`);
      else yield request;
    }
    if (last === undefined) return;
    after = last;
  }
}

const AFTER = "timestamp >= ? AND timestamp < ? AND (timestamp > ? OR request_id > ?)";

function afterParams({ timestamp, request_id }: Position, to: Date): unknown[] {
  return [timestamp, to, timestamp, request_id];
}

/** The last row of the page after a position; undefined when the period has no more than one page left. */
async function pageEnd(query: Store["query"], after: Position, to: Date): Promise<Position | undefined> {
  const [row] = await query(
    `SELECT ${LIMITED} timestamp, request_id FROM api_logs WHERE ${AFTER}
      ORDER BY timestamp, request_id LIMIT 1 OFFSET ${PAGE_ROWS - 1}`,
    afterParams(after, to),
  );
  return row && { timestamp: row["timestamp"] as Date, request_id: String(row["request_id"]) };
}

function requestOf(row: Readonly<Record<string, unknown>>): RecordedRequest | undefined {
  const method = String(row["method"]);
  const endpoint = String(row["endpoint"]);
  const stored = String(row["path"]);
  const path = stored === "" && !/[:{*]/.test(endpoint) ? endpoint : stored;
  if (!path.startsWith("/")) return undefined;
  return {
    at_ms: (row["timestamp"] as Date).getTime(),
    ...{ method, path, route: endpoint },
    user_agent: typeof row["user_agent"] === "string" ? row["user_agent"] : undefined,
  };
}

/**
 * Checks that `where` stays inside the parentheses it is put in: quotes and parentheses are closed, and outside of
 * quotes there is no `;` and no comment. What it may read and for how long is up to the database's user.
 * @returns what is wrong with it
 */
export function conditionProblem(where: string): string | undefined {
  const problem = escapeOf(where);
  return (
    problem && `must be one SQL condition such as "endpoint = '/orders' AND status_code < 400": ${problem}`
  );
}

/** Quoted text and names, or one of the marks that matter outside of them. */
const TOKENS = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|--|\/\*|[#;'"`()]/gs;

function escapeOf(where: string): string | undefined {
  if (where.trim() === "") return "it is empty";
  let open = 0;
  for (const [token] of where.matchAll(TOKENS)) {
    if (["--", "/*", "#"].includes(token)) return `${token} begins a comment`;
    if (token === ";") return "; ends the statement";
    if (["'", '"', "`"].includes(token)) return `the quote ${token} is not closed`;
    if (token === "(") open++;
    if (token === ")" && --open < 0) return "a ) has no (";
  }
  return open > 0 ? "a ( has no )" : undefined;
}
