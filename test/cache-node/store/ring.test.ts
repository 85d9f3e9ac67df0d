import fc from "fast-check";
import { expect, test } from "vitest";
import { Ring } from "../../../cache-node/store/ring.ts";

test("it is an array that is pushed to and taken from at both ends", () => {
  const move = fc.constantFrom("push", "unshift", "pop", "shift");
  fc.assert(
    fc.property(fc.array(fc.tuple(move, fc.nat(20)), { maxLength: 60 }), (moves) => {
      const ring = new Ring<number>();
      const model: number[] = [];
      let next = 0;
      for (const [name, times] of moves) {
        for (let i = 0; i < times; i++) {
          next += 1;
          if (name === "push") {
            ring.push(next);
            model.push(next);
          } else if (name === "unshift") {
            ring.unshift(next);
            model.unshift(next);
          } else if (model.length > 0) {
            expect(name === "pop" ? ring.pop() : ring.shift()).toBe(
              name === "pop" ? model.pop() : model.shift(),
            );
          }
        }
        expect(Array.from({ length: ring.size }, (_, at) => ring.at(at))).toEqual(model);
      }
    }),
    { numRuns: 100 },
  );
});
