import { setTimeout as wait } from "node:timers/promises";
import { PartitionAssigners, type Cluster, type Consumer, type PartitionAssigner } from "kafkajs";

/** What kafkajs knows of a broker beyond its types. */
interface Coordinator {
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>;
}

/**
 * Which member of its group a consumer is. A group, which outlives its broker too, waits for a member it has not heard of until that one's
 * session ends: 6 s in which nobody reads. kafkajs joins as a new member after every failure, and a killed process as a new one anyway:
 * so whoever is known to be gone leaves first.
 */
export interface Membership {
  /** Round robin, as kafkajs itself does; an assigner is given the connection that leaving needs. */
  readonly assigner: PartitionAssigner;
  /** Leaves for processes of this machine that are gone. */
  endThoseGone(consumer: Consumer): Promise<void>;
  began(memberId: string): void;
  /** Leaves as the member this consumer was; waits for Kafka if it must. */
  end(): Promise<void>;
  /** Nothing waits any longer. */
  close(): void;
}

const RETRY_MS = 250;

/** Of this process, in any group. */
const living = new Set<string>();

/** @param clientId of the consumer's client, from {@link clientIdOf} */
export function createMembership(groupId: string, clientId: string): Membership {
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

  function forget(): void {
    if (member !== undefined) living.delete(member);
    member = undefined;
  }

  return {
    assigner(config) {
      cluster = config.cluster;
      return PartitionAssigners.roundRobin(config);
    },
    async endThoseGone(consumer) {
      const { members } = await consumer.describeGroup();
      for (const { memberId, clientId: theirs } of members)
        if (!living.has(memberId) && isGone(theirs, clientId)) await leave(memberId);
    },
    began(memberId) {
      forget();
      member = memberId;
      living.add(memberId);
    },
    async end() {
      while (member !== undefined && !isClosed) {
        const left = await leave(member).then(
          () => true,
          () => false,
        );
        if (left) forget();
        else await wait(RETRY_MS);
      }
    },
    close() {
      isClosed = true;
      forget();
    },
  };
}

/** Names a process, so that another one of its machine can tell whether it still lives. */
export const clientIdOf = (role: string, host: string) => `${role}/${host}/${process.pid}`;

/** Of the same role and machine, and without a process; one with our own number is who we were before a container was started again. */
function isGone(theirs: string, ours: string): boolean {
  const [prefix, theirPrefix] = [ours, theirs].map((id) => id.slice(0, id.lastIndexOf("/") + 1));
  if (theirPrefix !== prefix) return false;
  const pid = Number(theirs.slice(prefix!.length));
  return pid === process.pid || (pid > 0 && !isRunning(pid));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
