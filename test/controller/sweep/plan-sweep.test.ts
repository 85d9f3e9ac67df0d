import { expect, test } from "vitest";
import { isAbandoned, planAbandoned, planOwnSweep } from "../../../src/controller/sweep/plan-sweep.ts";
import type { SpillFolder } from "../../../src/controller/sweep/spill-folders.ts";

const own = "0123456789abcdef";
const other = "fedcba9876543210";
const folder = (fleet: string, job: number, newestAtMs = 0): SpillFolder => ({
  ...{ fleet, job, objects: 1, bytes: 1, newestAtMs },
});

test("of the own fleet those of ended jobs go, and none that began with another controller", () => {
  const folders = [1, 2, 3, 4].map((job) => folder(own, job));
  const swept = planOwnSweep([...folders, folder(other, 1)], { fleet: own, alive: new Set([2]), highest: 3 });
  expect(swept.map(({ fleet, job }) => [fleet, job])).toEqual([
    [own, 1],
    [own, 3],
  ]);
});

test("other fleets are gone when nobody renewed their manifest, unless it says that they come back", () => {
  const manifest = (fleet: string, renewedAtMs: number, keep = false) => ({ fleet, renewedAtMs, keep });
  const gone = planAbandoned(
    [
      manifest(own, 0),
      manifest(other, 0),
      manifest("1111111111111111", 0, true),
      manifest("2222222222222222", 600),
    ],
    own,
    1100,
    1000,
  );
  expect(gone).toEqual([other]);
});

test("and nothing of theirs was written lately", () => {
  expect(isAbandoned([folder(other, 1, 50), folder(other, 2, 99)], 1100, 1000)).toBe(true);
  expect(isAbandoned([folder(other, 1, 50), folder(other, 2, 101)], 1100, 1000)).toBe(false);
});
