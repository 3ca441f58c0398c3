import autocannon from "autocannon";
import { LatencyHistogram } from "../simulator/figures/latency.ts";

/*
 * The load generator of api.ts, a process of its own: as many requests as the server answers on so many connections.
 *
 *     node bench/load.ts <Load as JSON>
 *
 * autocannon prints whole milliseconds, so the latencies are kept here.
 */

export interface Load {
  readonly url: string;
  readonly method: "GET" | "POST";
  readonly body?: string; // JSON
  readonly seconds: number;
  readonly connections: number;
}

export interface LoadResult {
  readonly responses: number; // received whole
  readonly failed: number; // status of 400 and up, errors, timeouts
  readonly perSecond: number;
  readonly p50: number; // ms, from the send: a closed model
  readonly p99: number;
}

const { url, method, body, seconds, connections } = JSON.parse(process.argv[2] ?? "") as Load;
const latency = new LatencyHistogram();
const options = {
  ...{ url, method, connections, duration: seconds },
  ...(body !== undefined && { body, headers: { "content-type": "application/json" } }),
};
const run = autocannon(options, (error: Error | null, { duration, errors, timeouts, non2xx }) => {
  if (error) throw error;
  const result: LoadResult = {
    responses: latency.count,
    failed: errors + timeouts + non2xx,
    perSecond: latency.count / duration,
    p50: latency.percentile(50),
    p99: latency.percentile(99),
  };
  process.send!(result);
  process.disconnect();
});
run.on("response", (_client, _status, _bytes, ms) => latency.record(ms));
