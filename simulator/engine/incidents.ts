import { v5 as uuidv5 } from "uuid";
import { request } from "undici";
import { z } from "zod";
import { FAULT_KINDS, faultStateSchema } from "../../contract/faults.ts";
import type { Fault, FaultKind } from "../../contract/faults.ts";
import { messageOf, RushhourError } from "../../contract/errors.ts";
import type { Incident, LoadPlan } from "../plan/plan.ts";
import type { IncidentRecord } from "../report/record.ts";
import type { Run } from "./run.ts";

const TIMEOUT_MS = 5_000;
const refusal = z.object({ error: z.object({ message: z.string() }) });

/** The fault control of a rushhour API, by HTTP. */
export interface FaultControl {
  /** @throws RushhourError CONFIG_INVALID when the target has none, or does not let us in */
  assertThere(): Promise<void>;
  start(fault: Fault): Promise<void>;
  /** Ends a fault that may have ended by itself. @returns how many requests it hit */
  end(id: string): Promise<number>;
}

/** @param target of the load; `/__admin/faults` is looked for at its root */
export function createFaultControl(target: string, token: string | undefined): FaultControl {
  const url = new URL("/__admin/faults", target).href;
  const call = async (method: "GET" | "POST" | "DELETE", path = "", body?: unknown): Promise<unknown> => {
    const answer = await ask(url + path, {
      ...{ method, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS },
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await answer.body.text();
    if (answer.statusCode < 300) return JSON.parse(text);
    const said = refusal.safeParse(safeJson(text)).data?.error.message;
    throw new RushhourError(
      "SERVER_UNREACHABLE",
      `${method} ${url}${path} was answered ${answer.statusCode}${said === undefined ? "" : `: ${said}`}`,
    );
  };
  return {
    async assertThere() {
      try {
        await call("GET");
      } catch (error) {
        throw new RushhourError(
          "CONFIG_INVALID",
          `the incidents of this run need the fault control of a rushhour API at ${url}: ${messageOf(error)}; ` +
            "target one, give its API_ADMIN_TOKEN, or leave such incidents out",
          { cause: error },
        );
      }
    },
    async start(fault) {
      await call("POST", "", fault);
    },
    async end(id) {
      return faultStateSchema.parse(await call("DELETE", `/${encodeURIComponent(id)}`)).requests_affected;
    },
  };
}

async function ask(...[url, options]: Parameters<typeof request>) {
  try {
    return await request(url, options);
  } catch (error) {
    const message = `the fault control does not answer: ${messageOf(error)}`;
    throw new RushhourError("SERVER_UNREACHABLE", message, { cause: error });
  }
}

export function isFault(kind: string): kind is FaultKind {
  return (FAULT_KINDS as readonly string[]).includes(kind);
}

export interface Incidents {
  /** All that has begun, as it stands. */
  readonly records: readonly IncidentRecord[];
  /** Brings one about now. @throws what the fault control says */
  start(incident: Incident): Promise<IncidentRecord>;
  /** Ends one before its time. @returns undefined when none of this name goes on */
  end(name: string): Promise<IncidentRecord | undefined>;
  /** Ends what goes on; what has not begun will not. */
  close(): Promise<void>;
}

interface Options {
  readonly faults: FaultControl;
  /** Told at the begin of each and at its end: what `incidents` in SQL shall hold. */
  readonly onChange: (incident: IncidentRecord) => void;
}

/** Brings the incidents of a plan about while its run goes on, and keeps the ground truth. */
export function conductIncidents(plan: LoadPlan, run: Run, { faults, onChange }: Options): Incidents {
  const known = new Map<string, IncidentRecord>();
  const ends = new Map<string, { timer: NodeJS.Timeout; end: () => Promise<IncidentRecord> }>();
  let closing = false;

  const start = async (incident: Incident, origin: IncidentRecord["origin"]): Promise<IncidentRecord> => {
    const { name, kind, route, duration_ms, intensity } = incident;
    const incident_id = uuidv5(`${run.run_id} ${name}`, uuidv5.URL);
    const startedMs = Date.now();
    const sentBefore = run.recorder.counts.sent;
    if (isFault(kind)) {
      await faults.start({
        ...{ id: incident_id, kind, run_id: run.run_id, seed: plan.seed, for_ms: Math.ceil(duration_ms) },
        ...(route !== undefined && { route }),
        ...intensity,
        rate: intensity.rate ?? 1,
      });
    }
    run.note(`incident ${name} began`);
    let record: IncidentRecord = {
      ...{ incident_id, name, kind, route: route ?? null, origin },
      started_at: new Date(startedMs).toISOString(),
      planned_end_at: new Date(startedMs + duration_ms).toISOString(),
      ...{ ended_at: null, intensity: { ...intensity }, requests_affected: null },
    };
    known.set(name, record);
    onChange(record);
    const end = async () => {
      clearTimeout(ends.get(name)?.timer);
      ends.delete(name);
      const ended_at = new Date(Math.min(Date.now(), startedMs + duration_ms)).toISOString();
      const requests_affected = isFault(kind)
        ? await faults.end(incident_id).catch(() => null)
        : run.recorder.counts.sent - sentBefore;
      record = { ...record, ended_at, requests_affected };
      known.set(name, record);
      run.note(`incident ${name} ended`);
      onChange(record);
      return record;
    };
    ends.set(name, { timer: setTimeout(() => void end(), duration_ms), end });
    return record;
  };

  const beginnings = plan.incidents.map((incident) =>
    setTimeout(
      () => {
        start(incident, "scenario").catch((error: unknown) =>
          run.note(`incident ${incident.name} did not begin: ${messageOf(error)}`),
        );
      },
      Math.max(0, incident.at_ms - run.elapsedMs()),
    ),
  );

  return {
    get records() {
      return [...known.values()];
    },
    async start(incident) {
      if (closing)
        throw new RushhourError("CONFIG_INVALID", "the run is ending: no incident can begin any more");
      if (known.has(incident.name)) {
        throw new RushhourError(
          "CONFIG_INVALID",
          `this run had an incident "${incident.name}" already: choose another name`,
        );
      }
      return start(incident, "control");
    },
    end: async (name) => ends.get(name)?.end(),
    async close() {
      closing = true;
      for (const timer of beginnings) clearTimeout(timer);
      await Promise.all([...ends.values()].map(({ end }) => end()));
    },
  };
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
