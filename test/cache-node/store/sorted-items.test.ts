import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SortedItems } from "../../../cache-node/store/sorted-items.ts";

const name = fc.oneof(
  fc.nat(900).map((n) => `n${n}`),
  fc.uint8Array({ minLength: 1, maxLength: 3 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
);
const byBytes = (a: string, b: string): number => Buffer.from(a, "latin1").compare(Buffer.from(b, "latin1"));

describe("sorted items", () => {
  test("are a map that is walked in the order of its names, from any name on", () => {
    const move = fc.oneof(
      fc.record({ set: fc.array(name, { maxLength: 200 }) }),
      fc.record({ remove: fc.array(name, { maxLength: 200 }) }),
      fc.record({ after: name }),
    );
    fc.assert(
      fc.property(fc.array(move, { maxLength: 20 }), (moves) => {
        const items = new SortedItems<number>();
        const model = new Map<string, number>();
        let next = 0;
        for (const step of moves) {
          if ("set" in step) {
            for (const key of step.set) {
              next += 1;
              expect(items.set(key, next)).toBe(model.get(key));
              model.set(key, next);
            }
          } else if ("remove" in step) {
            for (const key of step.remove) {
              expect(items.delete(key)).toBe(model.get(key));
              model.delete(key);
            }
          } else {
            expect(items.get(step.after)).toBe(model.get(step.after));
            expect(items.has(step.after)).toBe(model.has(step.after));
            const behind = [...model].filter(([key]) => byBytes(key, step.after) > 0);
            expect([...items.after(step.after)]).toEqual(behind.sort(([a], [b]) => byBytes(a, b)));
          }
          expect(items.size).toBe(model.size);
        }
        expect([...items.after("")]).toEqual([...model].sort(([a], [b]) => byBytes(a, b)));
      }),
      { numRuns: 60 },
    );
  });

  test("stay in order through many chunks, appended, prepended and mixed", () => {
    const count = 5000;
    const orders = [
      Array.from({ length: count }, (_, i) => i),
      Array.from({ length: count }, (_, i) => count - 1 - i),
      Array.from({ length: count }, (_, i) => (i * 2999) % count),
    ];
    for (const order of orders) {
      const items = new SortedItems<number>();
      for (const n of order) items.set(String(n).padStart(6, "0"), n);
      expect([...items.after("")].map(([, n]) => n)).toEqual(orders[0]);
      for (const n of order) if (n % 7 !== 0) items.delete(String(n).padStart(6, "0"));
      expect([...items.after("002500")].map(([, n]) => n)).toEqual(
        orders[0]!.filter((n) => n % 7 === 0 && n > 2500),
      );
    }
  });
});
