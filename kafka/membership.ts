import { setTimeout as wait } from "node:timers/promises";
import { PartitionAssigners, type Cluster, type PartitionAssigner } from "kafkajs";

/** What kafkajs knows of a broker beyond its types. */
interface Coordinator {
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>;
}

const RETRY_MS = 250;

/**
 * Which member of its group a consumer is. kafkajs joins as a new member after every failure, and the group, which outlives its
 * broker, then waits for the old one until its session ends: 6 s in which nothing is read. So the old one leaves first.
 */
export interface Membership {
  /** Round robin, as kafkajs itself does; an assigner is given the connection that leaving needs. */
  readonly assigner: PartitionAssigner;
  began(memberId: string): void;
  /** Leaves as the member this consumer was; waits for Kafka if it must. */
  end(): Promise<void>;
  /** Nothing waits any longer. */
  close(): void;
}

export function createMembership(groupId: string): Membership {
  let cluster: Cluster | undefined;
  let member: string | undefined;
  let isClosed = false;

  async function leave(memberId: string): Promise<void> {
    await cluster!.connect();
    const coordinator = (await cluster!.findGroupCoordinator({ groupId })) as unknown as Coordinator;
    await coordinator.leaveGroup({ groupId, memberId }).catch((error: unknown) => {
      if ((error as { type?: unknown }).type !== "UNKNOWN_MEMBER_ID") throw error; // the session has ended already
    });
  }

  return {
    assigner(config) {
      cluster = config.cluster;
      return PartitionAssigners.roundRobin(config);
    },
    began(memberId) {
      member = memberId;
    },
    async end() {
      while (member !== undefined && !isClosed) {
        const left = await leave(member).then(
          () => true,
          () => false,
        );
        if (left) member = undefined;
        else await wait(RETRY_MS);
      }
    },
    close() {
      isClosed = true;
    },
  };
}
