import { z } from "zod";
import type { Audit } from "../contract/audit.ts";
import { messageOf } from "../contract/errors.ts";
import type { Logger } from "../contract/logger.ts";
import { simulationRecord } from "../contract/simulation.ts";
import type { IncidentState, RunState, SimulationRecord } from "../contract/simulation.ts";
import { SIMULATIONS_TOPIC } from "../contract/topics.ts";
import { createKafka } from "../kafka/client.ts";
import { createBatchProducer } from "../kafka/producer.ts";
import { openAuditTrail } from "../producer/audit-trail.ts";
import type { IncidentRecord, RunRecord } from "../simulator/report/record.ts";
import { kafkaOf, type ServerSettings } from "./servers.ts";

/** What is known of a run when it starts. */
export type StartedRun = Pick<
  RunRecord,
  "run_id" | "scenario" | "target" | "seed" | "digest" | "tags" | "command" | "started_at"
>;

/** An incident of a run, with when it shall end. */
export interface RunIncident extends IncidentRecord {
  readonly run_id: string;
  readonly planned_end_at: string; // ISO 8601, ms, Z
}

/** Where runs and incidents are announced, so that they become rows of `runs` and `incidents`. */
export interface Simulations {
  /** Says that a run has started, and again every 10 s while it goes on, or, with its whole record, that it has ended. @returns false when Kafka did not take it */
  publishRun(run: StartedRun | RunRecord): Promise<boolean>;
  /** Says all that is known of an incident: at its start, at its end, and when the requests it affected are counted. */
  publishIncident(incident: RunIncident): Promise<boolean>;
  /** Says what somebody changed of a run that goes on. */
  readonly audit: Audit;
  /** Waits for what is being sent. */
  close(): Promise<void>;
}

/** A run that says nothing for longer than a few of these was killed. */
const HEARTBEAT_MS = 10_000;

/**
 * Opens nothing yet: Kafka is asked with the first record. A run is worth more than its announcement, so a failure is
 * logged, the first one as a warning, and never thrown; a few seconds are what it may take.
 */
export function openSimulations(settings: ServerSettings, logger: Logger): Simulations {
  const kafka = createKafka({ ...kafkaOf(settings), clientId: "rushhour-simulations", logger });
  const { brokers } = kafka.servers;
  const producer = createBatchProducer(kafka);
  let hasFailed = false;
  let sending: Promise<unknown> = Promise.resolve(); // one at a time, in their order
  const trail = openAuditTrail(kafka.servers, logger);
  let heartbeat: NodeJS.Timeout | undefined;

  function publish(record: SimulationRecord): Promise<boolean> {
    const sent = sending.then(async () => {
      try {
        await producer.send(new Map([[SIMULATIONS_TOPIC, [valueOf(record)]]]));
        return true;
      } catch (error) {
        logger[hasFailed ? "debug" : "warn"](
          { reason: messageOf(error), brokers, topic: SIMULATIONS_TOPIC, run_id: record.run_id },
          "runs and incidents may be missing in SQL; npx rushhour topics makes the topic when there is none",
        );
        hasFailed = true;
        return false;
      }
    });
    sending = sent;
    return sent;
  }

  return {
    publishRun(run) {
      clearInterval(heartbeat);
      if ("ended_at" in run) return publish(finishedRun(run));
      heartbeat = setInterval(() => void publish(runningRun(run)), HEARTBEAT_MS).unref();
      return publish(runningRun(run));
    },
    publishIncident: (incident) => publish(incidentState(incident)),
    audit: trail.audit,
    async close() {
      clearInterval(heartbeat);
      await sending;
      await trail.close();
      await producer.close();
    },
  };
}

/** @throws Error with what the consumer would refuse */
function valueOf(record: SimulationRecord): string {
  const parsed = simulationRecord.safeParse(record);
  if (!parsed.success) throw new Error(z.prettifyError(parsed.error));
  return JSON.stringify(parsed.data);
}

function startOf({ run_id, scenario, target, seed, digest, tags, command, started_at }: StartedRun) {
  const reported_at = new Date().toISOString();
  return {
    ...({ v: 1, type: "run" } as const),
    ...{ reported_at, run_id, scenario, target, seed, digest, tags, command, started_at },
  };
}

function runningRun(run: StartedRun): RunState {
  return { ...startOf(run), state: "running" };
}

function finishedRun(run: RunRecord): RunState {
  const { verdict, exit_code, ended_at, elapsed_ms, counts, rates, response_time_ms, thresholds } = run;
  const ledger = run.ledger as { missing?: number; duplicates?: number } | null;
  return {
    ...startOf(run),
    ...{ state: "finished", verdict, exit_code, ended_at, elapsed_ms },
    requests: counts.sent,
    failed: counts.failed,
    rate: rates.requests,
    p50_ms: response_time_ms.p50,
    p95_ms: response_time_ms.p95,
    p99_ms: response_time_ms.p99,
    missing: ledger?.missing ?? null,
    duplicates: ledger?.duplicates ?? null,
    thresholds_failed: thresholds.filter(({ passed }) => !passed).length,
    record: { ...run },
  };
}

function incidentState(incident: RunIncident): IncidentState {
  const { incident_id, run_id, name, kind, route, origin, requests_affected } = incident;
  const { started_at, planned_end_at, ended_at, intensity } = incident;
  return {
    ...({ v: 1, type: "incident" } as const),
    reported_at: new Date().toISOString(),
    ...{ incident_id, run_id, name, kind, route, origin },
    ...{ started_at, planned_end_at, ended_at, intensity, requests_affected },
  };
}
