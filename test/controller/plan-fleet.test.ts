import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { playFleetScenario } from "./fleet-scenario.ts";

test.each(["controller-forming", "controller-losses", "controller-drain", "controller-weights"])(
  "golden: %s",
  (name) => {
    const [scenario, expected] = readFileSync(`test/golden/${name}.txt`, "utf8").split("----\n");
    expect(playFleetScenario(scenario!)).toBe(expected);
  },
);
