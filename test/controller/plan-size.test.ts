import { describe, expect, test } from "vitest";
import { addJob, addNode, drainNode, emptyFleet, type FleetState } from "../../src/controller/fleet-state.ts";
import { planSize, type SizeInventory } from "../../src/controller/plan-size.ts";
import { jobNumber, nodeId } from "../../src/ids.ts";
import type { Code } from "../../src/placement/types.ts";

const inventory: SizeInventory = {
  ...{ canStart: true, starting: 0, startFault: undefined, isSettled: true, startCommand: "mayfly node" },
  ...{ usedBytes: () => 0, limitBytes: () => 100 },
};

function fleetOf(nodes: number, wish: Partial<FleetState> = {}, ...codes: Code[]): FleetState {
  let state = emptyFleet(2, 4);
  for (let port = 1; port <= nodes; port++) state = addNode(state, { host: "h", port }, "");
  for (const [at, code] of codes.entries()) {
    const number = jobNumber(at + 1);
    const rest = { leaseMs: 1, graceMs: 0, quotaBytes: 0, hints: {}, createdAtMs: 0, nodesLost: 0 };
    state = addJob(state, { number, name: `j${number}`, code, ...rest });
  }
  return { ...state, ...wish };
}

const replacing = (size: number, ...left: number[]) => ({
  replacing: { left: left.map(nodeId), total: 9, size },
});

describe("a fleet", () => {
  test("of which nobody said how large it should be is left alone", () => {
    expect(planSize(fleetOf(3), inventory)).toEqual({ starts: 0, drains: [], reasons: [], blocked: false });
  });

  test("starts what is missing, less what is being started, eight at a time", () => {
    expect(planSize(fleetOf(3, { desired: 5 }), inventory).starts).toBe(2);
    expect(planSize(fleetOf(3, { desired: 5 }), { ...inventory, starting: 1 }).starts).toBe(1);
    expect(planSize(fleetOf(0, { desired: 30 }), { ...inventory, starting: 3 }).starts).toBe(5);
    expect(planSize(fleetOf(0, { desired: 30 }), { ...inventory, starting: 8 }).starts).toBe(0);
    expect(planSize(fleetOf(3, { desired: 5 }), { ...inventory, startFault: "no" })).toMatchObject({
      ...{ starts: 0, reasons: ["no"], blocked: false },
    });
    expect(planSize(fleetOf(3, { desired: 5 }), { ...inventory, canStart: false })).toMatchObject({
      ...{ starts: 0, blocked: true },
      reasons: ["2 more nodes are needed, and this controller does not start nodes: mayfly node"],
    });
  });

  test("drains the emptiest, of about equal ones the youngest, and none while others start", () => {
    const usedBytes = (node: number): number => [0, 50, 9, 8, 90][node]!;
    expect(planSize(fleetOf(4, { desired: 1 }), { ...inventory, usedBytes }).drains).toEqual([3, 2]);
    expect(planSize(fleetOf(4, { desired: 2 }), inventory).drains).toEqual([4, 3]);
    expect(planSize(fleetOf(4, { desired: 2 }), { ...inventory, starting: 1 }).drains).toEqual([]);
  });

  test("drains no more than jobs can do without", () => {
    const plan = planSize(fleetOf(6, { desired: 2 }, { d: 1, p: 1 }, { d: 3, p: 1 }), inventory);
    expect(plan).toMatchObject({ drains: [6, 5], blocked: false });
    expect(plan.reasons[0]).toMatch(
      /^node 4 cannot go: 3 active nodes would remain and 4 are needed \(job 2 "j2" \(3\+1\)/,
    );
    const rest = fleetOf(4, { desired: 2 }, { d: 3, p: 1 });
    expect(planSize(rest, inventory)).toMatchObject({ drains: [], blocked: true });
  });

  test("that is replaced has one more before the next one goes, and only one goes at a time", () => {
    const first = replacing(3, 1, 2, 3);
    expect(planSize(fleetOf(3, first), inventory)).toMatchObject({ starts: 1, drains: [] });
    expect(planSize(fleetOf(4, first), { ...inventory, isSettled: false })).toMatchObject({
      starts: 0,
      drains: [],
    });
    expect(planSize(fleetOf(4, first), inventory)).toMatchObject({ starts: 0, drains: [1] });
    const going = drainNode(fleetOf(4, first), nodeId(1), 0);
    expect(planSize(going, inventory)).toMatchObject({ starts: 0, drains: [] });
    // With another size wanted it is that one.
    expect(planSize(fleetOf(4, { ...first, desired: 5 }), inventory)).toMatchObject({
      starts: 2,
      drains: [],
    });
  });

  test("that is replaced by hand lets one go before the next one comes", () => {
    const byHand = { ...inventory, canStart: false };
    expect(planSize(fleetOf(3, replacing(3, 1, 2, 3)), byHand)).toMatchObject({ drains: [1] });
    expect(planSize(fleetOf(2, replacing(3, 2, 3)), byHand)).toMatchObject({
      ...{
        drains: [],
        reasons: ["1 more node is needed, and this controller does not start nodes: mayfly node"],
      },
    });
  });
});
