import fc from "fast-check";
import { expect, test } from "vitest";
import { seededRng } from "../../src/clock.ts";
import { type NodeId, nodeId } from "../../src/ids.ts";
import { drawNodes } from "../../src/placement/draw-nodes.ts";
import type { FleetMap, NodeEntry, NodeState } from "../../src/placement/types.ts";

function node(id: number, weight: number, state: NodeState = "active"): NodeEntry {
  return { id: nodeId(id), host: "127.0.0.1", port: id, state, weight, zone: "" };
}
const mapOf = (...nodes: NodeEntry[]): FleetMap => ({
  epoch: { term: 1, n: 1 },
  nodes,
  rows: [],
  backups: 2,
});

test("drawn nodes are distinct, active and not avoided, and full only when there are too few others", () => {
  const anyNodes = fc.array(
    fc.record({
      weight: fc.integer({ min: 0, max: 255 }),
      state: fc.constantFrom<NodeState>("active", "draining", "dead"),
      avoided: fc.boolean(),
    }),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(anyNodes, fc.integer(), (specs, seed) => {
      const map = mapOf(...specs.map(({ weight, state }, i) => node(i + 1, weight, state)));
      const avoid = new Set(map.nodes.filter((_, i) => specs[i]!.avoided).map(({ id }) => id));
      const usable = map.nodes.filter((n) => n.state === "active" && !avoid.has(n.id));
      const sorted = (count: number) =>
        drawNodes(map, count, seededRng(seed), avoid).toSorted((a, b) => a - b);
      const idsOf = (nodes: readonly NodeEntry[]) => nodes.map(({ id }) => id);
      const withRoom = usable.filter(({ weight }) => weight > 0);
      expect(sorted(withRoom.length)).toEqual(idsOf(withRoom));
      expect(sorted(usable.length)).toEqual(idsOf(usable));
      const fail = () => drawNodes(map, usable.length + 1, seededRng(seed), avoid);
      expect(fail).toThrow(expect.objectContaining({ code: "NOT_ENOUGH_NODES" }));
    }),
  );
});

test("nodes are drawn in proportion to their weights, at every rank", () => {
  const map = mapOf(node(1, 100), node(2, 50), node(3, 50));
  const rng = seededRng(42);
  const first = new Map<NodeId, number>();
  const second = new Map<NodeId, number>();
  const draws = 40_000;
  for (let i = 0; i < draws; i++) {
    const [a, b] = drawNodes(map, 2, rng);
    first.set(a!, (first.get(a!) ?? 0) + 1);
    second.set(b!, (second.get(b!) ?? 0) + 1);
  }
  const share = (counts: Map<NodeId, number>, id: number): number => counts.get(nodeId(id))! / draws;
  expect(share(first, 1)).toBeCloseTo(1 / 2, 1.7);
  expect(share(first, 2)).toBeCloseTo(1 / 4, 1.7);
  // Second place of node 1: first was 2 or 3 (1/2), then 100 of the 150 left.
  expect(share(second, 1)).toBeCloseTo(1 / 3, 1.7);
  expect(share(second, 3)).toBeCloseTo(1 / 3, 1.7);
});

test("too few nodes: the answer says how many there are, why, and what to do", () => {
  const map = mapOf(node(1, 100), node(2, 0), node(3, 100, "dead"), node(4, 100));
  const draw = () => drawNodes(map, 3, seededRng(1), new Set([nodeId(4)]));
  expect(draw).toThrow(/needs 3 nodes and 2 can take a shard/);
  expect(draw).toThrow(/3 of 4 nodes are active, 1 of them just failed/);
  expect(draw).toThrow(/start more nodes/);
});
