import type { Audit, AuditEntry } from "../contract/audit.ts";
import { messageOf } from "../contract/errors.ts";
import { thisProcess } from "../init_db/audit.ts";
import type { RunControl } from "../simulator/control/run-control.ts";

/** Says to `audit` that somebody had not the token of a run's control, which listens on 127.0.0.1 alone. */
export function auditWrongTokens(audit: Audit, run_id: string): () => void {
  const refusal = { via: "control", action: "control.token", target: run_id, result: "refused" } as const;
  return () => audit({ actor: "127.0.0.1", ...refusal, detail: {} });
}

/** The same control of a run, with every change said to `audit`. */
export function audited(control: RunControl, via: "control" | "key", audit: Audit): RunControl {
  const { run_id } = control.status();
  const say = (action: string, result: AuditEntry["result"], detail: object) => {
    audit({ ...{ actor: thisProcess(), via, action, target: run_id, result }, detail: { ...detail } });
  };
  return {
    ...control,
    change(change) {
      control.change(change);
      say("run.change", "done", change);
    },
    async startFault(fault) {
      const { name, kind, route, duration_ms } = fault;
      const detail = { name, kind, route, duration_ms };
      try {
        const started = await control.startFault(fault);
        say("fault.start", "done", detail);
        return started;
      } catch (error) {
        say("fault.start", "failed", { ...detail, reason: messageOf(error) });
        throw error;
      }
    },
    async endFault(name) {
      const ended = await control.endFault(name);
      say("fault.end", ended ? "done" : "refused", { name });
      return ended;
    },
    stop() {
      control.stop();
      say("run.stop", "done", {});
    },
  };
}
