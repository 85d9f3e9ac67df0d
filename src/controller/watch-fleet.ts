/** The controller's clockwork: looks again and again at what has lapsed or can go on, and acts on it. */
import type { Cancel } from "../clock.ts";
import { MayflyError } from "../errors.ts";
import { executePlan } from "./execute-plan.ts";
import { createProber, type Prober } from "./execute-probes.ts";
import type { Fleet } from "./fleet.ts";
import { type FleetState, livingNodes } from "./fleet-state.ts";
import { planCuts } from "./plan-cuts.ts";
import { type FleetAction, type Inventory, planLapses } from "./plan-fleet.ts";
import { isDrained, isMended } from "./relocation-progress.ts";

export interface FleetWatch {
  readonly prober: Prober;
  readonly stop: Cancel;
}

/** Starts looking at once. `also` is called after each look: for what else goes on by the same clock. */
export function watchFleet(fleet: Fleet, also: () => void = () => {}): FleetWatch {
  const { clock, heartbeatMs, deadAfterMs, lostAfterMs, backups, log } = fleet.settings;
  const everyMs = Math.max(25, Math.floor(heartbeatMs / 2));
  const prober = createProber(fleet);
  /** When nodes were given up for reports of others. */
  const cutAtMs: number[] = [];
  let lookedAtMs = clock.now();
  let termAtMs = lookedAtMs;
  let busy = false;
  let again = false;
  let stopped = false;
  let cancel: Cancel = () => {};

  /** Nodes that others report, without those that are given up anyway. */
  function decideCuts(state: FleetState, lapsed: readonly FleetAction[], nowMs: number): FleetAction[] {
    const living = livingNodes(state).map((node) => node.id);
    const reports = fleet.reach.reports(new Set(living), nowMs);
    if (reports.length === 0) return [];
    while (cutAtMs.length > 0 && nowMs - cutAtMs[0]! >= lostAfterMs) cutAtMs.shift();
    const buried = new Set(lapsed.flatMap((action) => (action.kind === "bury" ? action.node : [])));
    // They are alive, and their shards are as good as lost: no more of them than every job survives.
    const spare = state.jobs.map(({ code, nodesLost }) => code.p - nodesLost - buried.size);
    const cut = planCuts({
      living: living.filter((id) => !buried.has(id)),
      reports,
      rows: state.map.rows,
      buriedMax: Math.min(backups - cutAtMs.length, ...spare),
    });
    for (const _ of cut) cutAtMs.push(nowMs);
    const why = "most of the others cannot reach it, or it cannot reach most of them";
    return cut.map((node) => ({ kind: "bury", node, certain: false, why }));
  }

  async function act(): Promise<void> {
    const nowMs = clock.now();
    if (nowMs - termAtMs >= deadAfterMs) {
      termAtMs = nowMs;
      await fleet.ledger.checkTerm();
    }
    if (fleet.ledger.fencedBy !== undefined) return;
    prober.look();
    // Changes nothing, and stores nothing, when there is nothing to do.
    await fleet.change((state) => {
      const lapsed = planLapses(state, inventoryOf(fleet, state), fleet.policy);
      const actions = [...lapsed, ...decideCuts(state, lapsed, nowMs)];
      for (const action of actions) log(explain(action));
      return executePlan(state, actions, fleet.policy, Math.trunc(clock.wallMs()));
    });
    also();
  }

  async function actInTurn(): Promise<void> {
    again = true;
    if (busy) return;
    busy = true;
    while (again && !stopped) {
      again = false;
      // Before each look at who is silent: what a pause of this process held up comes in any order.
      forgiveOwnFaults();
      try {
        await act();
      } catch (thrown) {
        log(`the fleet could not be changed: ${MayflyError.from(thrown).message}`);
      }
    }
    busy = false;
  }

  async function look(): Promise<void> {
    if (stopped) return;
    cancel = clock.after(everyMs, look, true);
    await actInTurn();
  }

  function forgiveOwnFaults(): void {
    const nowMs = clock.now();
    const elapsedMs = nowMs - lookedAtMs;
    lookedAtMs = nowMs;
    if (fleet.state.map.hibernation?.state === "loading") fleet.vitals.pauseLeases(elapsedMs);
    // Whoever was silent while this process itself stood still is not to blame; nor is anybody when all of them are
    // silent at once: then it is this process that cannot hear.
    const lateMs = elapsedMs - everyMs;
    if (lateMs > deadAfterMs / 4) fleet.vitals.forgive(lateMs);
    else if (allAreSilent(fleet)) fleet.vitals.forgive(elapsedMs);
  }

  fleet.alarm.listen(() => void actInTurn());
  cancel = clock.after(0, look, true);
  return {
    prober,
    stop() {
      stopped = true;
      cancel();
      fleet.alarm.listen(undefined);
    },
  };
}

/** Two heartbeats of all of several nodes are missing. */
function allAreSilent({ state, vitals, settings }: Fleet): boolean {
  const living = livingNodes(state);
  const nowMs = settings.clock.now();
  const isSilent = (id: number): boolean => vitals.silentMs(id, nowMs) > 2 * settings.heartbeatMs;
  return living.length > 1 && living.every((node) => isSilent(node.id));
}

function inventoryOf(fleet: Fleet, state: FleetState): Inventory {
  const { vitals, settings } = fleet;
  const nowMs = settings.clock.now();
  return {
    silentMs: (node) => vitals.silentMs(node, nowMs),
    deadMs: (node) => vitals.deadMs(node, nowMs),
    ageMs: (node) => vitals.ageMs(node, nowMs),
    fillOf: (node) => vitals.fillOf(node),
    idleMs: (job) => vitals.idleMs(job, nowMs),
    isDrained: (node) => isDrained(fleet, state, node),
    isMended: () => isMended(fleet),
  };
}

function explain(action: FleetAction): string {
  switch (action.kind) {
    case "bury":
      return `node ${action.node} is declared dead: ${action.why}`;
    case "weigh":
      return `node ${action.node} gets weight ${action.weight}`;
    case "release":
      return `node ${action.node} is drained`;
    case "mend":
      return "what was on dead nodes has been made anew";
    case "end":
      return `job ${action.job} ended: nobody used it for its lease and grace`;
    case "lay-rows":
    case "move-rows":
      return action.kind;
  }
}
