/**
 * The planner with its memory: what the controller, or a simulation, asks at each interval. It reads no clock and acts on
 * nothing; the caller builds the inventory, carries the decision out, and may write every record to a decision log.
 */
import type { Code } from "../../placement/types.ts";
import { type Admission, admitJob } from "./admit-job.ts";
import { planScale } from "./plan-scale.ts";
import { emptyScaleState, type JobHints, type ScaleInventory, type ScaleRecord } from "./scale-inventory.ts";
import type { ScalePolicy } from "./scale-policy.ts";

export interface Scaler {
  readonly policy: ScalePolicy;
  /** One decision, and all it was made of. To be called every `policy.decideEveryMs`. */
  plan(inventory: ScaleInventory): ScaleRecord;
  /** Whether a job with such hints could have what they name. It changes nothing. */
  admit(inventory: ScaleInventory, hints: JobHints, code: Code): Admission;
}

export function createScaler(policy: ScalePolicy): Scaler {
  let state = emptyScaleState;
  return {
    policy,
    plan(inventory) {
      const before = state;
      const { decision, reasons, state: after } = planScale(inventory, before, policy);
      state = after;
      return { atMs: inventory.nowMs, inventory, state: before, decision, reasons };
    },
    admit: (inventory, hints, code) => admitJob(inventory, policy, hints, code, state),
  };
}
