import fc from "fast-check";
import { expect, test } from "vitest";
import { RunBuffer } from "../../../client/shuffle/run-buffer.ts";

test("a run has the records of each partition behind one another, in the order in which they came", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }),
      fc.array(fc.tuple(fc.nat(8), fc.uint8Array({ maxLength: 40 })), { maxLength: 200 }),
      (partitions, records) => {
        const buffer = new RunBuffer(partitions, 100_000);
        for (let round = 0; round < 2; round++) {
          for (const [place, bytes] of records) expect(buffer.add(place % partitions, bytes)).toBe(true);
          const run = buffer.take();
          let at = 0;
          for (let partition = 0; partition < partitions; partition++) {
            const own = records
              .filter(([place]) => place % partitions === partition)
              .map(([, bytes]) => bytes);
            const expected = Buffer.concat(own);
            expect([run.lengths[partition], run.records[partition]]).toEqual([expected.length, own.length]);
            expect(expected.equals(run.bytes.subarray(at, at + expected.length))).toBe(true);
            at += expected.length;
          }
          expect(run.bytes.length).toBe(at);
          expect(buffer.isEmpty).toBe(true);
        }
      },
    ),
  );
});

test("a record that does not fit waits for the next run; one larger than any run is one by itself", () => {
  const buffer = new RunBuffer(2, 1000);
  expect(buffer.add(0, Buffer.alloc(600, "a"))).toBe(true);
  expect(buffer.add(1, Buffer.alloc(500, "b"))).toBe(false);
  expect(buffer.take().bytes.length).toBe(600);
  expect(buffer.add(1, Buffer.alloc(5000, "c"))).toBe(true);
  expect(buffer.add(0, Buffer.alloc(1))).toBe(false);
  const { bytes, lengths } = buffer.take();
  expect([bytes.length, ...lengths]).toEqual([5000, 0, 5000]);
});
