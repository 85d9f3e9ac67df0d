import fc from "fast-check";
import { expect, test } from "vitest";
import { createBuddy } from "../../../cache-node/store/buddy.ts";

const orders = 5;

test("runs never overlap, are aligned, and everything merges again", () => {
  const step = fc.record({ order: fc.integer({ min: 0, max: orders }), put: fc.boolean(), pick: fc.nat() });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 32 }), fc.array(step, { maxLength: 80 }), (units, steps) => {
      const buddy = createBuddy(orders, units);
      const startLargest = buddy.largest;
      const owned = new Set<number>();
      const taken: { unit: number; order: number }[] = [];
      const put = (index: number): void => {
        const [run] = taken.splice(index, 1);
        buddy.put(run!.unit, run!.order);
        for (let i = 0; i < 2 ** run!.order; i++) owned.delete(run!.unit + i);
      };
      for (const { order, put: puts, pick } of steps) {
        if (puts && taken.length > 0) put(pick % taken.length);
        else {
          const size = 2 ** order;
          const isFree = (unit: number): boolean => {
            for (let i = unit; i < unit + size; i++) if (i >= units || owned.has(i)) return false;
            return true;
          };
          let possible = false;
          for (let unit = 0; unit < 32; unit += size) possible ||= isFree(unit);
          const unit = buddy.take(order);
          expect(unit >= 0).toBe(possible);
          if (unit < 0) continue;
          expect(unit % size).toBe(0);
          expect(isFree(unit)).toBe(true);
          for (let i = 0; i < size; i++) owned.add(unit + i);
          taken.push({ unit, order });
        }
        expect(buddy.usedUnits).toBe(owned.size);
      }
      while (taken.length > 0) put(0);
      expect(buddy.largest).toBe(startLargest);
    }),
  );
});

test("the smallest run that fits is taken, so that large ones stay whole", () => {
  const buddy = createBuddy(orders, 32);
  const a = buddy.take(0);
  buddy.take(3);
  buddy.put(a, 0);
  buddy.take(2);
  // Left are 4 and 16 units: one more small run must not break the 16.
  expect(buddy.take(1)).toBeLessThan(8);
  expect(buddy.largest).toBe(5);
});

test("takeWhere finds the only run that is accepted", () => {
  const buddy = createBuddy(orders, 32);
  expect(buddy.takeWhere(2, (unit) => unit === 20)).toBe(20);
  expect(buddy.takeWhere(2, (unit) => unit === 20)).toBe(-1);
  expect(buddy.takeWhere(4, () => true)).toBe(0);
});

test("giving back what is not taken is a programmer's mistake", () => {
  const buddy = createBuddy(orders, 32);
  expect(() => buddy.put(0, 1)).toThrow(RangeError);
});
