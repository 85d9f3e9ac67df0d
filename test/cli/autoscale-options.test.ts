import { expect, test } from "vitest";
import { autoscaleOptions, autoscaleSettings } from "../../src/cli/autoscale-options.ts";

const range = (text: string) => autoscaleOptions.autoscale.read(text, "--autoscale");
const none = {
  ...{ autoscale: undefined, "node-start-ms": undefined, policy: undefined, "decision-log": undefined },
};

test("a range of nodes is read, and what is none is refused with an example", () => {
  expect(range("3..12")).toEqual({ min: 3, max: 12 });
  for (const text of ["3", "3-12", "0..4", "5..4", "1..65", "..3", "1..2.5"]) {
    expect(() => range(text)).toThrow(/--autoscale is ".*"; it takes .* like 3\.\.12/);
  }
});

test("what is given becomes a policy and a place for the log", () => {
  expect(autoscaleSettings(none, 4)).toEqual({});
  const given = {
    ...none,
    autoscale: { min: 3, max: 12 },
    "node-start-ms": 30_000,
    "decision-log": "d.jsonl",
  };
  expect(autoscaleSettings({ ...given, policy: { bandHigh: 0.9, nodesMax: 99 } }, undefined)).toEqual({
    autoscale: { bandHigh: 0.9, nodesMin: 3, nodesMax: 12, startMs: 30_000 },
    decisionLog: "d.jsonl",
  });
});

test("options of the autoscaler without it, and a count of nodes outside of it, are mistakes", () => {
  expect(() => autoscaleSettings({ ...none, policy: {} }, 4)).toThrow(/--policy is for the autoscaler/);
  const autoscale = { min: 3, max: 12 };
  expect(() => autoscaleSettings({ ...none, autoscale }, 2)).toThrow(
    /--nodes 2 is outside of --autoscale 3\.\.12/,
  );
  expect(autoscaleSettings({ ...none, autoscale }, 5).autoscale).toEqual({ nodesMin: 3, nodesMax: 12 });
});
