/** The controller's clockwork: looks again and again at what has lapsed, and acts on it. */
import type { Cancel } from "../clock.ts";
import { MayflyError } from "../errors.ts";
import { executePlan } from "./execute-plan.ts";
import type { Fleet } from "./fleet.ts";
import { type FleetAction, type Inventory, planLapses, planRowChange } from "./plan-fleet.ts";

/** Starts looking at once; the result stops it. */
export function watchFleet(fleet: Fleet): Cancel {
  const { clock, heartbeatMs, deadAfterMs, log } = fleet.settings;
  const everyMs = Math.max(25, Math.floor(heartbeatMs / 2));
  let lookedAtMs = clock.now();
  let termAtMs = lookedAtMs;
  let busy = false;
  let stopped = false;
  let cancel: Cancel = () => {};

  const inventory: Inventory = {
    silentMs: (node) => fleet.vitals.silentMs(node, clock.now()),
    fillOf: (node) => fleet.vitals.fillOf(node),
    idleMs: (job) => fleet.vitals.idleMs(job, clock.now()),
  };

  async function act(): Promise<void> {
    const nowMs = clock.now();
    if (nowMs - termAtMs >= deadAfterMs) {
      termAtMs = nowMs;
      await fleet.ledger.checkTerm();
    }
    if (fleet.ledger.fencedBy !== undefined) return;
    const lapsed = planLapses(fleet.state, inventory, fleet.policy);
    if (lapsed.length === 0 && planRowChange(fleet.state, fleet.policy).length === 0) return;
    await fleet.change((state) => {
      // Decided again in turn: another change may have come first.
      const actions = planLapses(state, inventory, fleet.policy);
      for (const action of actions) log(explain(action, inventory));
      return executePlan(state, actions, fleet.policy, Math.trunc(clock.wallMs()));
    });
  }

  async function look(): Promise<void> {
    if (stopped) return;
    cancel = clock.after(everyMs, look, true);
    // Whoever was silent while this process itself stood still is not to blame.
    const lateMs = clock.now() - lookedAtMs - everyMs;
    if (lateMs > deadAfterMs / 4) fleet.vitals.forgive(lateMs);
    lookedAtMs = clock.now();
    if (busy) return;
    busy = true;
    try {
      await act();
    } catch (thrown) {
      log(`the fleet could not be changed: ${MayflyError.from(thrown).message}`);
    } finally {
      busy = false;
    }
  }

  cancel = clock.after(0, look, true);
  return () => {
    stopped = true;
    cancel();
  };
}

function explain(action: FleetAction, inventory: Inventory): string {
  switch (action.kind) {
    case "bury":
      return `node ${action.node} is declared dead: silent for ${Math.round(inventory.silentMs(action.node))} ms`;
    case "weigh":
      return `node ${action.node} is ${(100 * inventory.fillOf(action.node)).toFixed(1)} % full: weight ${action.weight}`;
    case "end":
      return `job ${action.job} ended: idle for ${Math.round(inventory.idleMs(action.job))} ms`;
    case "lay-rows":
    case "drop-dead":
      return action.kind;
  }
}
