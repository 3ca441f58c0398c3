import { Pool, type Dispatcher } from "undici";

/*
 * Undici and nothing else: requests as fast as the answers come, none of them measured. The ceiling for a load generator
 * that is built on it (see simulator.ts). Runs until it is killed.
 *
 *     node bench/undici-load.ts <url> <connections>
 */

const [, , url, connections] = process.argv;
const { origin, pathname } = new URL(url!);
const pool = new Pool(origin, { connections: Number(connections) });
const request = { method: "GET", path: pathname, headers: { "user-agent": "undici" } } as const;

const handler: Dispatcher.DispatchHandler = {
  onRequestStart: () => undefined,
  onResponseStart: () => undefined,
  onResponseData: () => undefined,
  onResponseEnd: send,
  onResponseError(_controller, error) {
    throw error;
  },
};

function send(): void {
  pool.dispatch(request, handler);
}

for (let i = 0; i < Number(connections); i++) send();
