import { expect, test } from "vitest";
import { fleetPlan } from "../../examples/run-on-fleet.ts";

const nothing = { controller: undefined, nodes: undefined, workers: undefined, "fail-rate": undefined };
const plan = (values: object) => fleetPlan("test", { ...nothing, "kill-node": false, ...values });

test("a plan is what the options say", () => {
  expect(plan({})).toMatchObject({ nodes: 4, failRate: 0, killNode: false });
  expect(plan({ nodes: "6", workers: "3", "fail-rate": "0.25", "kill-node": true })).toMatchObject({
    ...{ nodes: 6, workers: 3, failRate: 0.25, killNode: true },
  });
});

test.each([
  [{ nodes: "many" }, /--nodes many is not a whole number from 1 to 64/],
  [{ workers: "0" }, /--workers 0/],
  [{ "fail-rate": "1.5" }, /--fail-rate 1.5 is not from 0 to 1/],
  [{ "fail-rate": "often" }, /--fail-rate often/],
  [{ nodes: "2", "kill-node": true }, /at least 3 nodes/],
  [{ controller: "http://127.0.0.1:7400", nodes: "3" }, /do not go with --controller/],
  [{ controller: "here" }, /--controller here is no URL/],
])("%j is told of", (values, message) => {
  expect(() => plan(values)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  expect(() => plan(values)).toThrow(message);
});
