import { describe, expect, test } from "vitest";
import { seededRng } from "../../src/clock.ts";
import { LossBudget } from "./loss-budget.ts";
import { chooseFault, describeFault, faultKinds, mayCost, type Situation } from "./schedule.ts";

const nodes = ["n1", "n2", "n3", "n4", "n5", "n6", "n7"];
const calm: Situation = {
  healthy: nodes,
  running: 7,
  nodesWanted: 7,
  nodesMin: 5,
  lossesLeft: 2,
  controllerIsUp: true,
  drains: true,
  enabled: new Set(faultKinds),
  places: { controller: "controller", clients: "clients", everywhere: "*" },
};
const isNode = (name: string): boolean => nodes.includes(name);

function chosen(situation: Partial<Situation>, count = 500) {
  const rng = seededRng(7);
  return Array.from({ length: count }, () => chooseFault(rng, { ...calm, ...situation })).filter(
    (fault) => fault !== undefined,
  );
}

test("every kind of fault comes, and the same ones for the same seed", () => {
  const faults = chosen({});
  expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set(faultKinds));
  expect(chosen({})).toEqual(faults);
  expect(new Set(faults.map(describeFault)).size).toBeGreaterThan(200);
});

test("no fault costs more nodes than may be lost", () => {
  for (const lossesLeft of [0, 1, 2]) {
    for (const fault of chosen({ lossesLeft })) {
      expect(mayCost(fault, isNode).length).toBeLessThanOrEqual(lossesLeft);
    }
  }
});

test("only what is enabled and possible is chosen", () => {
  expect(chosen({ enabled: new Set(["stop"]) }).every(({ kind }) => kind === "stop")).toBe(true);
  expect(chosen({ enabled: new Set(["drain"]), running: 5 })).toEqual([]);
  expect(chosen({ enabled: new Set(["add"]), running: 8 })).toEqual([]);
  expect(chosen({ enabled: new Set(["controller"]), controllerIsUp: false })).toEqual([]);
  expect(chosen({ enabled: new Set(["kill", "stop", "partition"]), healthy: [] })).toEqual([]);
});

describe("the budget of losses", () => {
  test("gives all of what a fault may cost, or nothing", () => {
    const budget = new LossBudget(2);
    expect(budget.take(["n1"])).toBe(true);
    expect(budget.take(["n2", "n3"])).toBe(false);
    expect(budget.left).toBe(1);
    // What it has already costs nothing more.
    expect(budget.take(["n1", "n2"])).toBe(true);
    expect(budget.take(["n3"])).toBe(false);
    budget.release("n1");
    expect(budget.has("n1")).toBe(false);
    expect(budget.take(["n3"])).toBe(true);
  });
});
