/**
 * Acts on autoscale/plan-scale.ts: takes an inventory of the fleet every `decideEveryMs`, has the planner decide, writes the
 * decision down and carries it out. While a size is pinned by hand, or nodes are being replaced, it decides nothing.
 */
import type { Code } from "../placement/types.ts";
import type { AutoscaleDecision, AutoscaleStatus } from "../wire/control-api.ts";
import type { Admission } from "./autoscale/admit-job.ts";
import type { JobHints, ScaleRecord } from "./autoscale/scale-inventory.ts";
import type { ScalePolicy } from "./autoscale/scale-policy.ts";
import { createScaler } from "./autoscale/scaler.ts";
import { notHeardOf, steadyTime, takeInventory } from "./autoscale/take-inventory.ts";
import { createThinning } from "./autoscale/thin-decisions.ts";
import type { Fleet } from "./fleet.ts";
import type { FleetState } from "./fleet-state.ts";
import type { NodeSupply } from "./node-supply.ts";

export interface Autoscaler {
  readonly policy: ScalePolicy;
  /** Decides when it is time; called by the controller's clockwork. */
  look(): void;
  /** More is needed than a moment ago: decides at once. */
  decideSoon(): void;
  /** Whether a job could have what it hints, with what else is in the state. */
  admit(state: FleetState, hints: JobHints, code: Code): Admission;
  status(): AutoscaleStatus;
}

/**
 * The planner counts a late start as none long before; but on a machine that is slow for its load, to end what is nearly there
 * and begin anew would only make it slower.
 */
const giveUpMsMin = 30_000;
const giveUpTimes = 10;

/** @param write takes the decisions that are worth a line */
export function createAutoscaler(
  fleet: Fleet,
  supply: NodeSupply,
  policy: ScalePolicy,
  write: (record: ScaleRecord) => void,
): Autoscaler {
  const { clock, log } = fleet.settings;
  const steady = steadyTime(clock);
  const isWorthALine = createThinning();
  const giveUpMs = Math.max(giveUpMsMin, giveUpTimes * Math.max(policy.startMs, policy.decideEveryMs));
  let scaler = createScaler(policy);
  let wasPaused = false;
  let dueMs = Number.NEGATIVE_INFINITY;
  let last: ScaleRecord | undefined;
  let lastChange: ScaleRecord | undefined;

  function carryOut({ decision, inventory, reasons }: ScaleRecord): void {
    const hopeless = inventory.nodes.filter(
      ({ state, startedAtMs }) => state === "starting" && inventory.nowMs - startedAtMs > giveUpMs,
    );
    supply.giveUp(hopeless.map(({ id }) => id));
    const { kind, start, keep, drain } = decision;
    if (kind === "hold") return;
    log(`the autoscaler decides to ${kind} to ${decision.target} nodes: ${reasons.join("; ")}`);
    if (keep.length > 0) void supply.keep(keep.map(Number));
    // What failed a moment ago is tried again later, when it is decided again.
    if (supply.startFault === undefined) supply.start(start);
    if (drain.length > 0) void supply.drain(drain.map(Number));
  }

  return {
    policy,
    look() {
      const { state, ledger } = fleet;
      const nowMs = clock.now();
      if (nowMs < dueMs || ledger.fencedBy !== undefined || supply.isDraining) return;
      if (pause(fleet) !== undefined) {
        wasPaused = true;
        return;
      }
      // What was needed meanwhile it has not seen: it begins anew, and does not shrink for a while.
      if (wasPaused) scaler = createScaler(policy);
      wasPaused = false;
      dueMs = nowMs + policy.decideEveryMs;
      const record = scaler.plan(takeInventory(fleet, state, supply, steady));
      last = record;
      if (record.decision.kind !== "hold") lastChange = record;
      if (isWorthALine(record)) write(record);
      carryOut(record);
    },
    decideSoon() {
      dueMs = Number.NEGATIVE_INFINITY;
      fleet.alarm.ring(0);
    },
    admit: (state, hints, code) => scaler.admit(takeInventory(fleet, state, supply, steady), hints, code),
    status() {
      const nowMs = steady(clock.now());
      const waitsFor = pause(fleet) ?? supply.startFault;
      const { nodesMin, nodesMax } = policy;
      return {
        ...{ nodesMin, nodesMax },
        ...(waitsFor !== undefined && { waitsFor }),
        ...(last !== undefined && { last: describe(last, nowMs) }),
        ...(lastChange !== undefined && { lastChange: describe(lastChange, nowMs) }),
      };
    },
  };
}

/** Why nothing is decided just now; undefined when it is. */
function pause(fleet: Fleet): string | undefined {
  const { desired, replacing } = fleet.state;
  if (desired > 0) return `it was given ${desired} nodes by hand, until: mayfly scale auto`;
  if (replacing.left.length > 0) return "nodes are being replaced; it decides again afterwards";
  const silent = notHeardOf(fleet, fleet.state);
  if (silent.length > 0)
    return `nodes ${silent.join(", ")} have not reported since this controller began; once they have, or are dead, it decides`;
  return undefined;
}

function describe({ atMs, decision, reasons }: ScaleRecord, nowMs: number): AutoscaleDecision {
  const { kind, target, start, keep, drain } = decision;
  const agoMs = Math.max(0, nowMs - atMs);
  return { ...{ kind, target, start, agoMs }, keep: [...keep], drain: [...drain], reasons: [...reasons] };
}
