import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { planCuts } from "../../src/controller/plan-cuts.ts";
import type { ProbeResult } from "../../src/controller/probe.ts";
import { Reach } from "../../src/controller/reach.ts";
import { type NodeId, nodeId } from "../../src/ids.ts";
import type { Row } from "../../src/placement/types.ts";
import { live, startFleet } from "./test-fleet.ts";

const nodes = (count: number): NodeId[] => Array.from({ length: count }, (_, i) => nodeId(i + 1));
const rowOf = (...ids: number[]): Row => ({
  ...{ generation: 1, nodes: ids.map(nodeId), joining: [], born: 1, lostJobs: 0 },
});

/** Everybody on one side reports everybody on the other. */
function split(...sides: number[][]) {
  return sides.flatMap((side) =>
    side.flatMap((from) =>
      sides.filter((other) => other !== side).flatMap((other) => other.map((to) => ({ from, to }))),
    ),
  );
}

describe("nodes that others cannot reach", () => {
  const decide = (count: number, reports: { from: number; to: number }[], rows: Row[] = [], buriedMax = 2) =>
    planCuts({ living: nodes(count), reports, rows, buriedMax });

  test("are given up when most say so, and at least two", () => {
    expect(decide(3, split([1, 2], [3]))).toEqual([3]);
    expect(
      decide(
        5,
        [1, 2].map((from) => ({ from, to: 5 })),
      ),
    ).toEqual([]);
    expect(
      decide(
        5,
        [1, 2, 3].map((from) => ({ from, to: 5 })),
      ),
    ).toEqual([5]);
    expect(decide(2, split([1], [2]))).toEqual([]);
    expect(decide(3, split([1], [2]))).toEqual([]);
  });

  test("are given up when they reach nobody, though nobody misses them", () => {
    expect(
      decide(
        4,
        [1, 2, 3].map((to) => ({ from: 4, to })),
      ),
    ).toEqual([4]);
  });

  test("are one side of a fleet that falls in two", () => {
    expect(decide(4, split([1, 2], [3, 4]))).toEqual([4, 3]);
    expect(decide(5, split([1, 2], [3, 4, 5]))).toEqual([2, 1]);
  });

  test("are never the last that have a row", () => {
    expect(decide(3, split([1, 2], [3]), [rowOf(3)])).toEqual([]);
    expect(decide(3, split([1, 2], [3]), [rowOf(3, 1)])).toEqual([3]);
  });

  test("are never more than may be given up, and never all", () => {
    const report = fc.record({ from: fc.integer({ min: 1, max: 6 }), to: fc.integer({ min: 1, max: 6 }) });
    const members = fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(fc.array(report), fc.array(members), fc.nat(8), (reports, rows, buriedMax) => {
        const links = reports.filter(({ from, to }) => from !== to);
        const given = decide(
          6,
          links,
          rows.map((ids) => rowOf(...ids)),
          buriedMax,
        );
        expect(given.length).toBeLessThanOrEqual(Math.min(buriedMax, 4));
        for (const ids of rows) expect(ids.some((id) => !given.includes(nodeId(id)))).toBe(true);
      }),
    );
  });
});

test("a report lasts for three heartbeats, and a link that was reported for long is cut for some more", () => {
  const reach = new Reach({ heartbeatMs: 500, deadAfterMs: 2000 });
  const living = new Set([1, 2, 3]);
  expect(reach.hear(1, [2, 1], 0)).toEqual([2]);
  expect(reach.hear(1, [2], 500)).toEqual([]);
  reach.hear(1, [2], 1000);
  expect(reach.reports(living, 1000)).toEqual([]);
  expect(reach.isCut(1, 2)).toBe(false);
  reach.hear(1, [2], 1001);
  // Nodes are given up for reports that last twice as long.
  expect(reach.reports(living, 1001)).toEqual([]);
  expect([reach.isCut(1, 2), reach.isCut(2, 1)]).toEqual([true, false]);
  expect(reach.cuts()).toEqual([[1, 2]]);
  reach.hear(1, [2], 2000);
  reach.hear(1, [2], 2001);
  expect(reach.reports(living, 2001)).toEqual([{ from: 1, to: 2 }]);
  expect(reach.reports(living, 3600)).toEqual([]);
  expect(reach.isCut(1, 2)).toBe(true);
  expect(reach.hear(1, [2], 3600)).toEqual([2]);
  expect(reach.reports(new Set([1]), 3600)).toEqual([]);
  reach.reports(living, 8600);
  expect(reach.isCut(1, 2)).toBe(false);
});

/** A fleet whose nodes can be probed: by port, what the probe says. */
async function startProbed(count: number) {
  const answers = new Map<number, ProbeResult>();
  const probed: number[] = [];
  const probe = async ({ port }: { port: number }): Promise<ProbeResult> => {
    probed.push(port - 7400);
    return answers.get(port - 7400) ?? "answers";
  };
  const fleet = await startFleet({ rowCount: 12, probe });
  const all = await fleet.addNodes(count);
  await fleet.createJob();
  return { fleet, all, answers, probed, ids: () => fleet.controller.state.map.nodes.map((node) => node.id) };
}

test("a suspect whose port refuses has ended: it is buried at once", async () => {
  const { fleet, all, answers, probed, ids } = await startProbed(3);
  answers.set(3, "refused");
  await fleet.clock.advance(1);
  await all[0]!.beat({ unreachable: [3] });
  await fleet.clock.advance(1);
  expect(ids()).toEqual([1, 2]);
  expect(probed).toEqual([3]);
  expect(fleet.log.join("\n")).toContain("node 3 has ended: nothing listens at 127.0.0.1:7403");
});

test("a suspect that answers stays, however often one other reports it", async () => {
  const { fleet, all, ids } = await startProbed(4);
  await all[0]!.beat({ unreachable: [3] });
  await live(fleet, all, 900);
  expect(ids()).toEqual([1, 2, 3, 4]);
});

test("a node that is silent is probed long before it would be dead, and one that is heard of again is not dead", async () => {
  const { fleet, all, answers, ids } = await startProbed(3);
  await live(fleet, all.slice(0, 2), 1500);
  expect(ids()).toEqual([1, 2, 3]);
  answers.set(3, "refused");
  await live(fleet, all.slice(0, 2), 500);
  expect(ids()).toEqual([1, 2]);
});

test("a dead node whose port refuses later is gone for certain", async () => {
  const { fleet, all, answers } = await startProbed(2);
  const only = { rows: () => fleet.controller.state.map.rows };
  answers.set(1, "silent").set(2, "silent");
  await live(fleet, [all[0]!], 2500);
  await fleet.ok("POST", "/v1/nodes/1/leave");
  expect(only.rows().every((row) => row.nodes.join() === "1")).toBe(true);
  const late = await fleet.addNode();
  await late.catchUp();
  expect(only.rows().every((row) => row.nodes.join() === "3" && row.born === row.generation)).toBe(true);
});

test("whom most others cannot reach for a while is buried, though the controller hears of it", async () => {
  const { fleet, all, ids } = await startProbed(5);
  await all[0]!.beat({ unreachable: [5] });
  await all[1]!.beat({ unreachable: [5] });
  await live(fleet, all, 2500);
  expect(ids()).toEqual([1, 2, 3, 4, 5]);
  await all[2]!.beat({ unreachable: [5] });
  await live(fleet, all, 1500);
  expect(ids()).toEqual([1, 2, 3, 4, 5]);
  await live(fleet, all.slice(0, 4), 1700);
  expect(ids()).toEqual([1, 2, 3, 4]);
  expect(fleet.log.join("\n")).toContain("node 5 is declared dead: most of the others cannot reach it");
});

test("rows of two nodes that are cut from each other are led by a third, which both can reach, until it is mended", async () => {
  const { fleet, all } = await startProbed(4);
  const rows = () => fleet.controller.state.map.rows;
  const led = [...rows().keys()].filter((group) => rows()[group]!.nodes[0] === 1);
  const together = led.filter((group) => rows()[group]!.nodes.includes(nodeId(2)));
  expect(together.length).toBeGreaterThan(0);
  await all[0]!.beat({ unreachable: [2] });
  await live(fleet, all, 2000);
  for (const { nodes: full } of rows()) {
    expect(full).toHaveLength(3);
    if (full.includes(nodeId(1)) && full.includes(nodeId(2))) expect(full[0]).toBeGreaterThan(2);
  }
  for (const group of together) expect(rows()[group]!.nodes[0]).not.toBe(1);
  await all[0]!.beat({ unreachable: [] });
  await live(fleet, all, 8000);
  for (const group of together) expect(rows()[group]!.nodes).toContain(2);
  expect(together.some((group) => rows()[group]!.nodes[0] === 1)).toBe(true);
  expect(fleet.controller.state.map.nodes).toHaveLength(4);
});
