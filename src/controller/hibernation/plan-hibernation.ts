/** Decides, and only decides, the next step of a fleet that goes to sleep or wakes. `execute-hibernation.ts` acts on it. */
import { activeNodes, type FleetState } from "../fleet-state.ts";
import { rowsFit } from "../plan-fleet.ts";
import { startsMax } from "../plan-size.ts";
import type { SleepStage } from "./sleeping-state.ts";

/** What is known of the fleet at one moment. */
export interface SleepInventory {
  readonly stage: SleepStage;
  /** Somebody said that it should, or it was idle for long. */
  readonly shouldSleep: { readonly byHand: boolean; readonly forMs: number } | undefined;
  readonly shouldWake: boolean;
  /** It has an object store, and nothing went wrong lately. */
  readonly canSleepByItself: boolean;
  readonly hibernateAfterMs: number | undefined;
  /** Since any job was used, or the fleet was woken. */
  readonly idleMs: number;
  readonly formed: boolean;
  /** Jobs that were used within some heartbeats, and since cells stand still. */
  readonly inUse: readonly number[];
  readonly usedSinceStoring: readonly number[];
  /** Living nodes, and those that are being started. */
  readonly nodes: number;
  readonly canStart: boolean;
  readonly starting: number;
  /** How many nodes have said how far they are, and what they said in sum. */
  readonly heard: number;
  readonly objectsLeft: number;
  readonly bytesLeft: number;
  /** Nodes that have stored their cells for this sleep. */
  readonly stored: number;
  readonly storedBytes: number;
  /** Rows are where they should be, and nothing is made anew, drained or replaced. */
  readonly isSettled: boolean;
  /** What holds nodes up, and for how long something has. */
  readonly faults: readonly string[];
  readonly faultMs: number;
  readonly storingMs: number;
  readonly active: number;
  /** Nodes that the fleet had. */
  readonly wanted: number;
  /** What its cells take in the object store, and the memory of a node; 0 where nobody knows. */
  readonly sleepBytes: number;
  readonly nodeBytes: number;
  /** Rows have nodes. */
  readonly isLaid: boolean;
  /** All nodes know of the rows of now and serve theirs. */
  readonly rowsServe: boolean;
  readonly wakingMs: number;
  /** Since this controller knows that it sleeps. */
  readonly sleptMs: number;
  /** A node that did not hear of its controller for so long reads nothing of a fleet that should sleep. */
  readonly deadAfterMs: number;
  /** Since the last node registered. */
  readonly youngestMs: number;
}

export interface SleepPlan {
  readonly action: "none" | "want-sleep" | "give-up" | "store" | "sleep" | "start-nodes" | "lay-rows" | "end";
  readonly spillAll: boolean;
  readonly starts: number;
  /** It is given up because something does not work. */
  readonly isFault: boolean;
  /** What it waits for, or why it is given up. */
  readonly reasons: readonly string[];
}

/** By hand: so long it waits for functions to end what they do. */
const patienceMs = 60_000;
/** Faults pass within so many times `deadAfterMs`, or the fleet stays awake: 10 s by default. */
const faultTimes = 5;
const storingMsMax = 15 * 60_000;
/** Nodes that are not there by then are not waited for any more, unless some have just come. */
const startPatienceMs = 5000;
const comingMs = 1500;
/** So long the first nodes have the machine to themselves: the start of a node takes a core. */
const hurryMs = 1500;
/** Of the memory of a node: what cells may take when few nodes begin to wake the fleet. They take more there than stored. */
const fillToWake = 0.25;

const nothing: SleepPlan = { action: "none", spillAll: false, starts: 0, isFault: false, reasons: [] };

export function planHibernation(inventory: SleepInventory, state: FleetState): SleepPlan {
  switch (inventory.stage) {
    case "awake":
      return inventory.shouldSleep === undefined ? planIdle(inventory) : planSpilling(inventory);
    case "storing":
      return planStoring(inventory);
    case "asleep":
      return inventory.shouldWake ? planStarts(inventory, nodesForNow(inventory)) : nothing;
    case "waking":
      return planWaking(inventory, state);
  }
}

function planIdle({ canSleepByItself, formed, hibernateAfterMs, idleMs, nodes }: SleepInventory): SleepPlan {
  const isIdle = hibernateAfterMs !== undefined && idleMs >= hibernateAfterMs;
  return canSleepByItself && formed && nodes > 0 && isIdle ? { ...nothing, action: "want-sleep" } : nothing;
}

/** Nothing may be in memory only, and nothing under way, before cells stand still. */
function planSpilling(inventory: SleepInventory): SleepPlan {
  const { inUse, shouldSleep, hibernateAfterMs = 0, idleMs, faultMs, faults } = inventory;
  const spilling = { ...nothing, spillAll: true };
  const byHand = shouldSleep?.byHand === true;
  if (!byHand && idleMs < hibernateAfterMs) return { ...nothing, action: "give-up", reasons: ["it is used"] };
  if (faultMs > faultTimes * inventory.deadAfterMs)
    return { ...nothing, action: "give-up", isFault: true, reasons: faults };
  const reasons = [
    ...(inUse.length > 0 ? [`job ${inUse.join(", ")} is used`] : []),
    ...(inventory.starting > 0 ? ["nodes are being started"] : []),
    ...(inventory.isSettled ? [] : ["rows or shards are being moved"]),
    ...(inventory.heard < inventory.nodes ? ["nodes have not yet said what they hold"] : []),
    ...(inventory.objectsLeft > 0
      ? [`${inventory.objectsLeft} objects (${inventory.bytesLeft} bytes) are in memory only`]
      : []),
    ...faults,
  ];
  if (reasons.length === 0) return { ...spilling, action: "store" };
  const isOver = (shouldSleep?.forMs ?? 0) > patienceMs && inUse.length > 0;
  return isOver ? { ...nothing, action: "give-up", reasons } : { ...spilling, reasons };
}

function planStoring(inventory: SleepInventory): SleepPlan {
  const { usedSinceStoring, shouldSleep, faults, faultMs, nodes, stored, storingMs } = inventory;
  const giveUp = (reasons: readonly string[], isFault = false): SleepPlan => ({
    ...nothing,
    ...{ action: "give-up", reasons, isFault },
  });
  if (shouldSleep === undefined) return giveUp(["somebody uses it"]);
  if (usedSinceStoring.length > 0) return giveUp([`job ${usedSinceStoring.join(", ")} is used`]);
  if (faultMs > faultTimes * inventory.deadAfterMs || storingMs > storingMsMax) return giveUp(faults, true);
  if (stored === nodes) return { ...nothing, action: "sleep", spillAll: true };
  return {
    ...nothing,
    spillAll: true,
    reasons: [`${stored} of ${nodes} nodes have stored their cells`, ...faults],
  };
}

/** @param most nodes that there should be for now */
function planStarts({ active, canStart, starting }: SleepInventory, most: number): SleepPlan {
  if (!canStart) return nothing;
  const starts = Math.min(most - active - starting, startsMax - starting);
  return starts > 0 ? { ...nothing, action: "start-nodes", starts } : nothing;
}

/** So few nodes have room for all cells, and serve the first reads. */
function nodesToWake({ wanted, sleepBytes, nodeBytes }: SleepInventory): number {
  const room = nodeBytes * fillToWake;
  return room > 0 ? Math.max(1, Math.min(wanted, Math.ceil(sleepBytes / room))) : wanted;
}

/** The others start once those serve, or take long. */
function nodesForNow(inventory: SleepInventory): number {
  const { isLaid, rowsServe, wakingMs, wanted } = inventory;
  return (isLaid && rowsServe) || wakingMs >= hurryMs ? wanted : nodesToWake(inventory);
}

/**
 * The first nodes get all rows at once, so that reads are served soon; the rows are laid anew, once, when all nodes are there.
 * Nothing may be changed before, so that all of it can be fetched again.
 */
function planWaking(inventory: SleepInventory, state: FleetState): SleepPlan {
  const { active, wanted, isLaid, rowsServe, faults } = inventory;
  const areGivenUp = inventory.wakingMs > startPatienceMs && inventory.youngestMs > comingMs;
  const areAllThere = active >= wanted || areGivenUp;
  const needed = nodesToWake(inventory);
  if (!isLaid && (areAllThere || active >= needed)) return { ...nothing, action: "lay-rows" };
  if (isLaid && areAllThere) {
    if (!rowsFit(state, new Set(activeNodes(state).map(({ id }) => id))))
      return { ...nothing, action: "lay-rows" };
    if (rowsServe && inventory.sleptMs >= inventory.deadAfterMs) return { ...nothing, action: "end" };
  }
  const starts = areAllThere ? nothing : planStarts(inventory, nodesForNow(inventory));
  return { ...starts, reasons: [`${active} of ${wanted} nodes are there`, ...faults] };
}
