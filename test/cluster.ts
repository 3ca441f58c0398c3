import { rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { installEngines } from "../engines/install.ts";
import { newClusterId, prepareKafka } from "../engines/kafka.ts";
import { endOrphans } from "../engines/pids.ts";
import { freePorts } from "../engines/ports.ts";
import { supervise, type ProcessSpec, type SupervisedProcess } from "../engines/supervisor.ts";

/** Three real brokers on loopback, each of them a controller too. */
export interface TestCluster {
  readonly brokers: readonly string[]; // host:port of node 1, 2, 3
  /** SIGKILL, as a machine that is gone. */
  kill(nodeId: number): Promise<void>;
  /** Brings a killed node back, with the data it had. */
  revive(nodeId: number): Promise<void>;
  /** Ends all nodes and removes their data. */
  stop(): Promise<void>;
}

const NODES = [1, 2, 3] as const;
const HEAP_MB = 256;

/**
 * @param home the cluster's own folder: what an earlier one left there is ended and removed
 * @param enginesFolder where Kafka is installed, or will be
 */
export async function startCluster(home: string, enginesFolder: string): Promise<TestCluster> {
  const root = resolve(home);
  await endOrphans(root);
  rmSync(root, { recursive: true, force: true });
  const installed = await installEngines({
    ...{ home: root, enginesFolder: resolve(enginesFolder), kafka: true, mariadb: false },
  });
  const ports = await freePorts(NODES.flatMap(() => [undefined, undefined]));
  const brokerPorts = ports.slice(0, NODES.length);
  const controllerPorts = ports.slice(NODES.length);
  const clusterId = newClusterId();

  const specs = await Promise.all(
    NODES.map(async (nodeId, i): Promise<ProcessSpec> => {
      const spec = await prepareKafka({
        ...{ home: join(root, `node-${nodeId}`), folder: installed.kafka!.folder },
        ...{ port: brokerPorts[i]!, controllerPort: controllerPorts[i]! },
        member: { nodeId, clusterId, controllerPorts, heapMb: HEAP_MB },
      });
      return { ...spec, home: root, stopSignal: "SIGKILL" }; // nobody needs the data afterwards
    }),
  );
  const nodes = new Map<number, SupervisedProcess>();
  const start = async (nodeId: number) => {
    const node = supervise(specs[nodeId - 1]!, { onGiveUp: (cause) => console.error(cause.message) });
    nodes.set(nodeId, node);
    await node.start();
  };
  const cluster: TestCluster = {
    brokers: brokerPorts.map((port) => `127.0.0.1:${port}`),
    kill: async (nodeId) => nodes.get(nodeId)?.stop(),
    revive: start,
    async stop() {
      await Promise.all([...nodes.values()].map((node) => node.stop()));
      rmSync(root, { recursive: true, force: true });
    },
  };
  try {
    await Promise.all(NODES.map(start));
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}
