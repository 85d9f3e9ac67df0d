/**
 * Decides, and only decides, how many nodes the fleet has: no I/O, no clock. Whoever holds the provisioner acts on the
 * decision. The same inventory, state and policy give the same decision, which is what makes decision logs replay.
 */
import { keepMost, most, observeJobs } from "./observe-jobs.ts";
import {
  bytesText,
  percentText,
  type ScaleDecision,
  type ScaleInventory,
  type ScaleNode,
  type ScaleState,
} from "./scale-inventory.ts";
import type { ScalePolicy } from "./scale-policy.ts";
import { type Signal, type Standing, standingOf, sum, weighSignals } from "./weigh-signals.ts";

export interface ScalePlan {
  readonly decision: ScaleDecision;
  readonly reasons: readonly string[];
  /** To be given to the next decision. */
  readonly state: ScaleState;
}

/**
 * - It grows when a signal is above `bandHigh`, or when there are fewer nodes than the jobs' codes need: at once to as many
 *   as the most demanding signal asks for at `bandTarget`, first by keeping nodes that drain, then by starting new ones; not
 *   within `coolDownUpMs` of the last growth, and never beyond `nodesMax`.
 * - It shrinks when all signals are below `bandLow`, nothing starts or drains, and neither growing, shrinking nor the
 *   planner's begin is within `coolDownDownMs`: by at most `shrinkShareMax` of the active nodes, and never below the most nodes that were needed
 *   within that time. So what is left is inside the band.
 */
export function planScale(inventory: ScaleInventory, before: ScaleState, policy: ScalePolicy): ScalePlan {
  const { nowMs } = inventory;
  const observed = observeJobs(inventory, before, policy);
  const standing = standingOf(inventory, policy);
  const signals = weighSignals(inventory, standing, observed.reservations, observed.state, policy);
  const wanted = Math.max(...signals.map(({ nodes }) => nodes));
  const needs = keepMost(observed.state.needs, nowMs, wanted, policy.coolDownDownMs);
  const state: ScaleState = { ...observed.state, needs };
  const overdue = standing.overdue.map(({ id }) => id);
  const facts = [
    ...signals.filter(isWorthSaying).map(({ text }) => text),
    ...(overdue.length > 0 ? [`overdue: ${listOf(overdue)} should be there by now and count as none`] : []),
  ];
  const pressing = signals.filter(({ share }) => share > policy.bandHigh);
  if (pressing.length > 0) return grow(pressing, wanted, standing, facts, state, inventory, policy);
  return shrink(signals, standing, facts, state, inventory, policy);
}

function grow(
  pressing: readonly Signal[],
  wanted: number,
  standing: Standing,
  facts: readonly string[],
  state: ScaleState,
  { nowMs }: ScaleInventory,
  policy: ScalePolicy,
): ScalePlan {
  const { serving } = standing;
  const why = [
    ...facts,
    `${namesOf(pressing)} above ${percentText(policy.bandHigh)}: ${wanted} nodes wanted`,
  ];
  const target = Math.min(wanted, policy.nodesMax);
  if (target < wanted) why.push(`nodesMax allows ${policy.nodesMax}`);
  const coolMs = coolingMs(state.lastGrowAtMs, policy.coolDownUpMs, nowMs);
  if (target <= serving) return hold(serving, why, state);
  if (coolMs > 0)
    return hold(serving, [...why, `it grew a moment ago; not again for ${secondsText(coolMs)}`], state);
  // One that has moved the least away has the most use.
  const keep = [...standing.draining]
    .sort((a, b) => b.usedBytes - a.usedBytes || compareIds(a, b))
    .slice(0, target - serving)
    .map(({ id }) => id);
  // Machines that drain, or that are late, may still be there: they count against nodesMax like all others.
  const places = policy.nodesMax - serving - standing.draining.length - standing.overdue.length;
  const start = Math.max(0, Math.min(target - serving - keep.length, places));
  if (keep.length + start === 0)
    return hold(serving, [...why, "draining and overdue nodes take all places up to nodesMax"], state);
  if (keep.length > 0) why.push(`${keep.length} draining nodes are kept: ${listOf(keep)}`);
  if (start > 0) why.push(`${start} nodes are started, there in ${secondsText(policy.startMs)}`);
  return {
    decision: { kind: "grow", target: serving + keep.length + start, start, keep, drain: [] },
    reasons: why,
    state: { ...state, lastGrowAtMs: nowMs },
  };
}

function shrink(
  signals: readonly Signal[],
  standing: Standing,
  facts: readonly string[],
  state: ScaleState,
  { nowMs }: ScaleInventory,
  policy: ScalePolicy,
): ScalePlan {
  const { serving, active } = standing;
  const busy = signals.filter(({ share }) => share >= policy.bandLow);
  if (busy.length > 0) {
    const why = `${namesOf(busy)} inside the band of ${percentText(policy.bandLow)} to ${percentText(policy.bandHigh)}`;
    return hold(serving, [...facts, why], state);
  }
  const needed = Math.max(most(state.needs), 1);
  const recent = `at most ${needed} nodes were needed in the last ${secondsText(policy.coolDownDownMs)}`;
  if (needed >= serving) return hold(serving, [...facts, recent], state);
  if (standing.starting.length > 0 || standing.draining.length > 0) {
    const moving = `${standing.starting.length} nodes start and ${standing.draining.length} drain: that comes first`;
    return hold(serving, [...facts, moving], state);
  }
  // A planner that has just begun does not know what was needed a minute ago.
  const changes = [state.beganAtMs, state.lastGrowAtMs, state.lastShrinkAtMs];
  const coolMs = Math.max(...changes.map((atMs) => coolingMs(atMs, policy.coolDownDownMs, nowMs)));
  if (coolMs > 0) {
    return hold(
      serving,
      [
        ...facts,
        recent,
        `its size changed, or the planner began, lately; no shrinking for ${secondsText(coolMs)}`,
      ],
      state,
    );
  }
  const atOnce = Math.max(1, Math.floor(active.length * policy.shrinkShareMax));
  const chosen = chooseDrains(active, Math.min(atOnce, serving - needed), policy, signals[0]!.share);
  if (chosen.length === 0)
    return hold(serving, [...facts, recent, "no node can be spared: the others are too small"], state);
  const moved = sum(chosen, (node) => node.usedBytes);
  const drain = chosen.map(({ id }) => id);
  const why =
    `all below ${percentText(policy.bandLow)}: ${drain.length} of the emptiest and youngest nodes drain, with ` +
    `${bytesText(moved)} to move: ${listOf(drain)}`;
  return {
    decision: { kind: "shrink", target: serving - drain.length, start: 0, keep: [], drain },
    reasons: [...facts, recent, why],
    state: { ...state, lastShrinkAtMs: nowMs },
  };
}

/**
 * The emptiest nodes, to the hundredth of their memory, and the youngest of equals: they have the least to move, and the fewest
 * rows. Nodes differ in size, so that what is left is looked at for each.
 */
function chooseDrains(
  active: readonly ScaleNode[],
  count: number,
  policy: ScalePolicy,
  memoryShare: number,
): ScaleNode[] {
  const fill = (node: ScaleNode): number => Math.round((100 * node.usedBytes) / Math.max(1, node.limitBytes));
  const order = [...active].sort(
    (a, b) => fill(a) - fill(b) || b.startedAtMs - a.startedAtMs || compareIds(a, b),
  );
  const limitBytes = sum(active, (node) => node.limitBytes);
  const neededBytes = memoryShare * limitBytes;
  let left = limitBytes;
  const chosen: ScaleNode[] = [];
  for (const node of order) {
    if (chosen.length === count) break;
    if (neededBytes > policy.bandHigh * (left - node.limitBytes)) continue;
    left -= node.limitBytes;
    chosen.push(node);
  }
  return chosen;
}

function hold(target: number, reasons: readonly string[], state: ScaleState): ScalePlan {
  return { decision: { kind: "hold", target, start: 0, keep: [], drain: [] }, reasons, state };
}

/** A time in the future, after a change of clocks, is over at once. */
function coolingMs(sinceMs: number | null, coolDownMs: number, nowMs: number): number {
  if (sinceMs === null || sinceMs > nowMs) return 0;
  return Math.max(0, sinceMs + coolDownMs - nowMs);
}

/** Memory always; the others when there is something to them. */
function isWorthSaying({ name, share, nodes }: Signal): boolean {
  if (name === "backlog") return nodes > 0;
  return name === "memory" || name === "minimum" || share >= 0.005;
}

function namesOf(signals: readonly Signal[]): string {
  const names = signals.map(({ name }) => name).join(" and ");
  return `${names} ${signals.length === 1 ? "is" : "are"}`;
}

const listedMax = 8;

function listOf(ids: readonly string[]): string {
  const rest = ids.length - listedMax;
  return ids.slice(0, listedMax).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

function secondsText(ms: number): string {
  return `${Number((ms / 1000).toFixed(1))} s`;
}

/** Alike wherever it runs: no locale. */
function compareIds(a: ScaleNode, b: ScaleNode): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
