import { parentPort, workerData } from "node:worker_threads";
import { loadPlan } from "../plan/load-plan.ts";
import type { PlanSource } from "../plan/load-plan.ts";
import type { SampleBatch } from "../figures/samples.ts";
import type { LoadChange } from "./driver.ts";
import { startShard } from "./shard.ts";
import { warmUp } from "./warm-up.ts";
import type { Shard, ShardOptions, ShardResult } from "./shard.ts";

/** What a worker thread is given. */
export interface WorkerInput {
  readonly source: PlanSource;
  readonly options: Omit<ShardOptions, "start_at_ms">;
}

export type ToWorker =
  | { readonly type: "start"; readonly start_at_ms: number }
  | { readonly type: "stop" }
  | { readonly type: "change"; readonly change: LoadChange };

export type FromWorker =
  | { readonly type: "ready" }
  | { readonly type: "batch"; readonly batch: SampleBatch }
  | { readonly type: "done"; readonly result: ShardResult };

/** One shard on a thread of its own: makes the plan again from its source, says so, and starts when told to. */
const { source, options } = workerData as WorkerInput;
const port = parentPort!;
const post = (message: FromWorker) => port.postMessage(message);

const plan = await loadPlan(source);
await warmUp();
let shard: Shard | undefined;
port.on("message", (message: ToWorker) => {
  switch (message.type) {
    case "start":
      shard = startShard(plan, { ...options, start_at_ms: message.start_at_ms }, (batch) =>
        post({ type: "batch", batch }),
      );
      void shard.done.then((result) => {
        post({ type: "done", result });
        port.close();
      });
      return;
    case "stop":
      shard?.stop();
      return;
    case "change":
      shard?.change(message.change);
  }
});
post({ type: "ready" });
