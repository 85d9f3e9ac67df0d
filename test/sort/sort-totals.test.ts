import { expect, test } from "vitest";
import type { ReduceResult } from "../../src/sort/sort-events.ts";
import { totalsOf } from "../../src/sort/sort-totals.ts";

function part(
  partition: number,
  records: number,
  firstKey: string,
  lastKey: string,
  checksum = 1n,
): ReduceResult {
  const timing = { shuffleMs: 1, reduceMs: 1, rssBytes: 1 };
  return {
    partition,
    records,
    firstKey,
    lastKey,
    checksum: checksum.toString(),
    duplicateKeys: 0,
    ...timing,
  };
}

test("partitions add up in their order, whatever the order they ended in; empty ones do not count", () => {
  const results = [
    part(2, 5, "0c", "0f", 2n ** 63n),
    part(0, 3, "01", "05", 2n ** 63n),
    part(1, 0, "", "", 0n),
  ];
  expect(totalsOf(results)).toEqual({
    ...{ records: 8, checksum: "10000000000000000", duplicateKeys: 0, ordered: true },
    ...{ firstKey: "01", lastKey: "0f" },
  });
});

test("a partition that begins below the end of the one before is out of order", () => {
  expect(totalsOf([part(0, 3, "01", "09"), part(1, 3, "08", "0f")]).ordered).toBe(false);
});

test("the same key at both sides of a boundary is a duplicate", () => {
  const totals = totalsOf([part(0, 3, "01", "09"), part(1, 0, "", ""), part(2, 3, "09", "0f")]);
  expect(totals).toMatchObject({ ordered: true, duplicateKeys: 1 });
});

test("nothing at all is in order", () => {
  expect(totalsOf([part(0, 0, "", "", 0n)])).toMatchObject({
    records: 0,
    checksum: "0",
    ordered: true,
    firstKey: "",
  });
});
