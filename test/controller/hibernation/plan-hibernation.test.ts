import { expect, test } from "vitest";
import { emptyFleet, type FleetState } from "../../../src/controller/fleet-state.ts";
import {
  planHibernation,
  type SleepInventory,
  type SleepPlan,
} from "../../../src/controller/hibernation/plan-hibernation.ts";
import { nodeId } from "../../../src/ids.ts";

/** A fleet of three nodes that nobody has used for a minute. */
const idle: SleepInventory = {
  ...{ stage: "awake", shouldSleep: undefined, shouldWake: false, canSleepByItself: true },
  ...{ hibernateAfterMs: 30_000, idleMs: 60_000, formed: true, inUse: [], usedSinceStoring: [] },
  ...{
    nodes: 3,
    canStart: true,
    starting: 0,
    heard: 3,
    objectsLeft: 0,
    bytesLeft: 0,
    stored: 0,
    storedBytes: 0,
  },
  ...{ isSettled: true, faults: [], faultMs: 0, storingMs: 0, active: 3, wanted: 3, sleepBytes: 1000 },
  ...{
    nodeBytes: 1e8,
    isLaid: true,
    rowsServe: true,
    wakingMs: 0,
    sleptMs: 5000,
    deadAfterMs: 2000,
    youngestMs: 0,
  },
};
const rowsOver = (...nodes: number[]): FleetState => {
  const state = emptyFleet(2, 1);
  const ids = nodes.map(nodeId);
  const entries = [1, 2, 3].map((id) => ({
    ...{ id: nodeId(id), host: "h", port: id, state: "active" as const, weight: 100, zone: "" },
  }));
  const rows = state.map.rows.map((row) => ({ ...row, nodes: ids }));
  return { ...state, formed: true, map: { ...state.map, nodes: entries, rows } };
};
const plan = (known: Partial<SleepInventory>, state: FleetState = rowsOver(1, 2, 3)): SleepPlan =>
  planHibernation({ ...idle, ...known }, state);
const byHand = { byHand: true, forMs: 0 };

test("a fleet wants to sleep when it was idle for long enough, and only then", () => {
  expect(plan({}).action).toBe("want-sleep");
  expect(plan({ idleMs: 29_999 }).action).toBe("none");
  expect(plan({ canSleepByItself: false }).action).toBe("none");
  expect(plan({ hibernateAfterMs: undefined }).action).toBe("none");
  expect(plan({ formed: false }).action).toBe("none");
});

test("cells stand still only when nothing is under way and nothing is in memory only", () => {
  const ready = { shouldSleep: byHand };
  expect(plan(ready)).toMatchObject({ action: "store", spillAll: true });
  for (const held of [
    { inUse: [7] },
    { starting: 1 },
    { isSettled: false },
    { heard: 2 },
    { objectsLeft: 1, bytesLeft: 5 },
  ]) {
    const waiting = plan({ ...ready, ...held });
    expect(waiting).toMatchObject({ action: "none", spillAll: true });
    expect(waiting.reasons).toHaveLength(1);
  }
});

test("nobody waits for ever: use ends the patience of people, and keeps a fleet awake that would sleep by itself", () => {
  const inUse = { shouldSleep: { byHand: true, forMs: 61_000 }, inUse: [7] };
  expect(plan(inUse)).toMatchObject({ action: "give-up", spillAll: false, reasons: ["job 7 is used"] });
  expect(plan({ shouldSleep: { byHand: false, forMs: 0 }, idleMs: 100 })).toMatchObject({
    action: "give-up",
  });
  const faults = ["STORE_UNAVAILABLE: 503"];
  const failing = plan({ shouldSleep: byHand, faults, faultMs: 10_001 });
  expect(failing).toMatchObject({ action: "give-up", isFault: true, reasons: faults });
});

test("the fleet sleeps when all nodes have stored their cells; any use before keeps it awake", () => {
  const storing = { stage: "storing", shouldSleep: byHand } as const;
  expect(plan({ ...storing, stored: 2 })).toMatchObject({ action: "none" });
  expect(plan({ ...storing, stored: 3 })).toMatchObject({ action: "sleep" });
  expect(plan({ ...storing, stored: 3, usedSinceStoring: [4] })).toMatchObject({ action: "give-up" });
  // A controller that begins anew knows of nobody who wants it.
  expect(plan({ ...storing, stored: 3, shouldSleep: undefined })).toMatchObject({ action: "give-up" });
  expect(plan({ ...storing, faults: ["x"], faultMs: 10_001 })).toMatchObject({
    action: "give-up",
    isFault: true,
  });
});

test("a fleet that sleeps starts its nodes when it should wake", () => {
  const asleep = { stage: "asleep", nodes: 0, active: 0, wanted: 6, isLaid: false } as const;
  expect(plan(asleep)).toMatchObject({ action: "none" });
  // One has room for what is stored; the others start when that serves reads, or takes long.
  expect(plan({ ...asleep, shouldWake: true })).toMatchObject({ action: "start-nodes", starts: 1 });
  expect(plan({ ...asleep, shouldWake: true, starting: 1 })).toMatchObject({ action: "none" });
  expect(plan({ ...asleep, shouldWake: true, sleepBytes: 4e7 })).toMatchObject({ starts: 2 });
  expect(plan({ ...asleep, shouldWake: true, nodeBytes: 0 })).toMatchObject({ starts: 6 });
  const waking = { ...asleep, stage: "waking", active: 1, isLaid: true, rowsServe: false } as const;
  expect(plan({ ...waking, wakingMs: 1000 }, rowsOver(1))).toMatchObject({ action: "none" });
  expect(plan({ ...waking, wakingMs: 1000, rowsServe: true }, rowsOver(1))).toMatchObject({ starts: 5 });
  expect(plan({ ...waking, wakingMs: 2000 }, rowsOver(1))).toMatchObject({ starts: 5 });
  expect(plan({ ...asleep, shouldWake: true, canStart: false })).toMatchObject({ action: "none" });
});

test("the first nodes get all rows if they have room; once all are there the rows are laid anew, and then it is awake", () => {
  const waking = { stage: "waking", wanted: 3, rowsServe: false } as const;
  const none = rowsOver();
  expect(plan({ ...waking, active: 1, isLaid: false }, none)).toMatchObject({ action: "lay-rows" });
  const large = { ...waking, active: 1, isLaid: false, sleepBytes: 4e7, starting: 2 };
  expect(plan(large, none)).toMatchObject({ action: "none" });
  expect(plan({ ...large, active: 2, starting: 1 }, none)).toMatchObject({ action: "lay-rows" });
  expect(plan({ ...waking, active: 2, starting: 1 }, rowsOver(1))).toMatchObject({ action: "none" });
  expect(plan({ ...waking }, rowsOver(1))).toMatchObject({ action: "lay-rows" });
  expect(plan({ ...waking })).toMatchObject({ action: "none" });
  expect(plan({ ...waking, rowsServe: true })).toMatchObject({ action: "end" });
  // A node that has not heard of it might still show what was.
  expect(plan({ ...waking, rowsServe: true, sleptMs: 1999 })).toMatchObject({ action: "none" });
});

test("nodes that do not come are not waited for for ever", () => {
  const waking = { stage: "waking", wanted: 9, active: 3, rowsServe: true } as const;
  expect(plan({ ...waking, wakingMs: 4000, youngestMs: 3000 })).toMatchObject({ action: "start-nodes" });
  expect(plan({ ...waking, wakingMs: 9000, youngestMs: 100 })).toMatchObject({ action: "start-nodes" });
  expect(plan({ ...waking, wakingMs: 9000, youngestMs: 3000 })).toMatchObject({ action: "end" });
});
