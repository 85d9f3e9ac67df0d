import { expect, test } from "vitest";
import {
  addJob,
  endedJobsMax,
  endJobs,
  type FleetState,
  nextJobNumber,
} from "../../src/controller/fleet-state.ts";
import { compareEpochs } from "../../src/placement/epoch.ts";
import { randomHistory } from "./random-history.ts";

const histories = Array.from({ length: 12 }, (_, seed) => randomHistory(seed, 30));

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

test("while a job is alive rows lose dead backups and change in no other way", () => {
  forEachStep((before, after) => {
    if (before.jobs.length === 0 || after.jobs.length === 0) return;
    const dead = new Set(after.map.nodes.filter((node) => node.state === "dead").map((node) => node.id));
    const faulty = [...after.map.rows.keys()].filter((group) => {
      const was = before.map.rows[group]!.nodes;
      const kept = dead.has(was[0]!) ? was : was.filter((id) => !dead.has(id));
      return after.map.rows[group]!.nodes.join() !== kept.join();
    });
    expect(faulty).toEqual([]);
  });
});

test("while no job is alive rows name living nodes only, and all of them", () => {
  forEachStep((_before, after) => {
    if (after.jobs.length > 0 || !after.formed) return;
    expect(after.map.nodes.every((node) => node.state === "active")).toBe(true);
    const length = Math.min(3, after.map.nodes.length);
    expect(after.map.rows.every((row) => row.nodes.length === length)).toBe(true);
  });
});

test("a dead node is listed exactly as long as a row names it", () => {
  forEachStep((_before, after) => {
    const named = new Set(after.map.rows.flatMap((row) => row.nodes));
    for (const node of after.map.nodes) {
      if (node.state === "dead") expect(named.has(node.id)).toBe(true);
    }
    const listed = new Set(after.map.nodes.map((node) => node.id));
    expect([...named].every((id) => listed.has(id))).toBe(true);
  });
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
