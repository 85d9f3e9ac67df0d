import { expect, test } from "vitest";
import { Milestones } from "../../src/controller/milestones.ts";
import { nodeId } from "../../src/ids.ts";
import { emptyRow, type FleetMap, type NodeEntry, type NodeState } from "../../src/placement/types.ts";

const node = (id: number, state: NodeState = "active"): NodeEntry => ({
  ...{ id: nodeId(id), host: "a", port: id, state, weight: 100, zone: "" },
});

const first: FleetMap = {
  ...{ epoch: { term: 1, n: 1 }, backups: 1 },
  nodes: [node(1), node(2), node(3)],
  rows: [{ ...emptyRow, generation: 1, nodes: [nodeId(1), nodeId(2)] }],
};

/** Steps from map to map, an epoch each. */
function createStory() {
  const milestones = new Milestones(first.epoch);
  let map = first;
  const step = (change: Partial<FleetMap>): void => {
    const next = { ...map, ...change, epoch: { term: 1, n: map.epoch.n + 1 } };
    milestones.passed(map, next);
    map = next;
  };
  const counts = () => ({ repair: milestones.repairCountsFrom.n, drain: milestones.drainCountsFrom(2).n });
  return { step, counts, rows: () => map.rows };
}

test("reports count from when a node had heard of the death, or of the drain", () => {
  const { step, counts } = createStory();
  expect(counts()).toEqual({ repair: 1, drain: 1 });
  step({ nodes: [node(1), node(2, "draining"), node(3)] });
  expect(counts()).toEqual({ repair: 1, drain: 2 });
  step({ nodes: [node(1), node(2, "draining"), node(3, "dead")] });
  expect(counts()).toEqual({ repair: 3, drain: 2 });
  // One that no row names is off the map at once.
  step({ nodes: [node(1), node(2, "draining")] });
  expect(counts()).toEqual({ repair: 3, drain: 2 });
  step({ nodes: [node(1)] });
  expect(counts()).toEqual({ repair: 5, drain: 1 });
});

test("after a row has another primary what both said before counts no more, for drains and for repairs", () => {
  const { step, counts } = createStory();
  step({ nodes: [node(1), node(2, "draining"), node(3, "dead")] });
  step({ rows: [{ ...emptyRow, generation: 2, nodes: [nodeId(2), nodeId(1)] }] });
  expect(counts()).toEqual({ repair: 3, drain: 3 });
  step({});
  expect(counts()).toEqual({ repair: 3, drain: 3 });
});
