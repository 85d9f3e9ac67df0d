import { expect, test } from "vitest";
import {
  addJob,
  addNode,
  emptyFleet,
  endedJobsMax,
  endJobs,
  type FleetState,
  nextJobNumber,
  nodeOfInstance,
  sweepDead,
} from "../../src/controller/fleet-state.ts";
import { compareEpochs } from "../../src/placement/epoch.ts";
import { randomHistory } from "./random-history.ts";

const histories = Array.from({ length: 12 }, (_, seed) => randomHistory(seed, 60));

/** Checks each step of some random histories. */
function forEachStep(check: (before: FleetState, after: FleetState) => void): void {
  for (const history of histories) {
    for (let i = 1; i < history.length; i++) check(history[i - 1]!, history[i]!);
  }
}

test("the histories have in them what the tests below are about", () => {
  const states = histories.flat();
  expect(states.some((state) => state.map.nodes.some((node) => node.state === "dead"))).toBe(true);
  expect(states.some((state) => state.jobs.length > 1)).toBe(true);
  expect(states.some((state) => state.formed && state.jobs.length === 0 && state.ended.length > 0)).toBe(
    true,
  );
});

test("every change of nodes or rows is the next epoch, and nothing else is", () => {
  forEachStep((before, after) => {
    const same = before.map.nodes === after.map.nodes && before.map.rows === after.map.rows;
    const expected = same ? before.map.epoch : { term: 1, n: before.map.epoch.n + 1 };
    expect(after.map.epoch).toEqual(expected);
    expect(compareEpochs(after.map.epoch, before.map.epoch)).toBeGreaterThanOrEqual(0);
  });
});

test("node ids and job numbers are never used again, and generations never go back", () => {
  forEachStep((before, after) => {
    for (const { id } of after.map.nodes) {
      expect(id <= before.highestNode).toBe(before.map.nodes.some((node) => node.id === id));
    }
    for (const { number } of after.jobs) {
      expect(number <= before.highestJob).toBe(before.jobs.some((job) => job.number === number));
    }
    expect(after.map.rows.every((row, group) => row.generation >= before.map.rows[group]!.generation)).toBe(
      true,
    );
  });
});

test("while a job is alive no row leaves its full members, but for those that are all gone", () => {
  forEachStep((before, after) => {
    if (before.jobs.length === 0 || after.jobs.length === 0) return;
    const dead = new Set(after.map.nodes.filter((node) => node.state === "dead").map((node) => node.id));
    for (const [group, row] of after.map.rows.entries()) {
      const was = before.map.rows[group]!;
      if (row === was || row.born !== was.born) continue;
      expect(was.nodes).toContain(row.nodes[0]);
      expect(row.nodes.every((id) => was.nodes.includes(id) || was.joining.includes(id))).toBe(true);
      expect(row.nodes.every((id) => !dead.has(id))).toBe(true);
      expect(row.lostJobs).toBe(was.lostJobs);
    }
  });
});

test("while no job is alive rows name living nodes only, and all of them, and nobody joins", () => {
  forEachStep((_before, after) => {
    if (after.jobs.length > 0 || !after.formed) return;
    expect(after.map.nodes.every((node) => node.state !== "dead")).toBe(true);
    const active = after.map.nodes.filter((node) => node.state === "active");
    const length = Math.min(3, active.length);
    expect(after.map.rows.every((row) => row.nodes.length === length && row.joining.length === 0)).toBe(true);
  });
});

test("a dead node is listed exactly as long as a row names it, and known to be gone only while it is listed", () => {
  forEachStep((_before, after) => {
    const named = new Set(after.map.rows.flatMap((row) => [...row.nodes, ...row.joining]));
    for (const node of after.map.nodes) {
      if (node.state === "dead") expect(named.has(node.id)).toBe(true);
    }
    const listed = new Set(after.map.nodes.map((node) => node.id));
    expect([...named].every((id) => listed.has(id))).toBe(true);
    expect(after.gone.every((id) => listed.has(id))).toBe(true);
    const draining = after.map.nodes.filter((node) => node.state === "draining").map((node) => node.id);
    expect(after.drains.map((drain) => drain.node).sort()).toEqual(draining.sort());
  });
});

test("what is drained is no loss, and is remembered", () => {
  let released = 0;
  forEachStep((before, after) => {
    if (after.drained === before.drained) return;
    released++;
    const id = after.drained.at(-1)!;
    expect(after.map.nodes.some((node) => node.id === id)).toBe(false);
    expect(after.jobs).toEqual(before.jobs);
  });
  expect(released).toBeGreaterThan(0);
});

test("the history of ended jobs is bounded, and keeps the latest", () => {
  const start = histories[0]!.find((state) => state.jobs.length > 0)!;
  let state = start;
  for (let i = 0; i <= endedJobsMax; i++) {
    const number = nextJobNumber(state);
    state = endJobs(addJob(state, { ...start.jobs[0]!, number }), new Set([number]), i);
  }
  expect(state.ended.map((job) => job.endedAtMs)).toEqual(
    Array.from({ length: endedJobsMax }, (_, i) => i + 1),
  );
});

test("processes are remembered as long as their nodes are in the map, and a few hundred of those that went", () => {
  let state = emptyFleet(1);
  const join = (port: number): void => {
    state = sweepDead(addNode(state, { host: "h", port }, "", `process ${state.highestNode + 1}`));
  };
  join(1);
  // One after the other at the same address.
  for (let i = 0; i < 400; i++) join(2);
  expect(nodeOfInstance(state, "process 1")).toBe(1);
  expect(nodeOfInstance(state, "process 401")).toBe(401);
  expect(nodeOfInstance(state, "process 300")).toBe(300);
  expect(nodeOfInstance(state, "process 2")).toBe(undefined);
  expect(state.instances.length).toBeLessThan(300);
});
