import { expect, test } from "vitest";
import {
  scalePolicy,
  scalePolicyDefault,
  scalePolicyKeys,
} from "../../../src/controller/autoscale/scale-policy.ts";

test("the defaults are a policy, and each of their numbers is checked", () => {
  expect(scalePolicy()).toEqual(scalePolicyDefault);
  expect([...scalePolicyKeys].sort()).toEqual(Object.keys(scalePolicyDefault).sort());
  for (const key of scalePolicyKeys) {
    expect(() => scalePolicy({ [key]: Number.NaN }), key).toThrow(`no such policy: ${key} is NaN`);
  }
});

test("numbers that contradict each other are no policy", () => {
  expect(() => scalePolicy({ nodesMin: 5, nodesMax: 4 })).toThrow("nodesMin 5 is above nodesMax 4");
  expect(() => scalePolicy({ bandHigh: 0.65 })).toThrow("must follow one another");
  expect(() => scalePolicy({ nodesMin: 0 })).toThrow("nodesMin is 0; it takes a whole number from 1 to 4096");
});
