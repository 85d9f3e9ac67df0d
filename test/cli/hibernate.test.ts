import { expect, test } from "vitest";
import { describeHibernation, parseHibernateAfter } from "../../src/cli/hibernate.ts";
import type { HibernationProgress } from "../../src/wire/hibernation-api.ts";

const progress: HibernationProgress = {
  ...{ stage: "awake", objectsLeft: 0, bytesLeft: 0, nodes: 3, nodesStored: 0, nodesWanted: 0 },
  ...{ storedBytes: 0, reasons: [] },
};

test("each stage is told in a line, with what it waits for", () => {
  const line = (changed: Partial<HibernationProgress>): string =>
    describeHibernation({ ...progress, ...changed });
  expect(line({})).toBe("awake");
  expect(line({ reasons: ["job 4 is used"] })).toBe("awake; it did not sleep: job 4 is used");
  expect(line({ stage: "spilling", reasons: ["a", "b"] })).toBe("about to sleep: a; b");
  expect(line({ stage: "storing", nodesStored: 2 })).toBe("storing cells, 2 of 3 nodes are done");
  expect(line({ stage: "asleep", nodes: 0, nodesWanted: 6, storedBytes: 2048 })).toBe(
    "asleep, 2 KiB of cells are stored; it wakes with 6 nodes",
  );
  expect(line({ stage: "waking", nodesWanted: 6 })).toBe("waking, 3 of 6 nodes");
});

test("a fleet is idle for a second at least before it sleeps", () => {
  expect(parseHibernateAfter("10m", "--hibernate-after")).toBe(600_000);
  expect(parseHibernateAfter("1s", "--hibernate-after")).toBe(1000);
  expect(() => parseHibernateAfter("999ms", "--hibernate-after")).toThrow(/at least 1s/);
  expect(() => parseHibernateAfter("soon", "--hibernate-after")).toThrow(/--hibernate-after/);
});
