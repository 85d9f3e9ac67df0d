import fc from "fast-check";
import { expect, test } from "vitest";
import { Session } from "../../client/session.ts";
import { seededRng } from "../../src/clock.ts";

test("the floor is the lowest sequence that is still awaited", () => {
  const session = new Session(seededRng(1));
  expect(session.id).toHaveLength(8);
  expect([session.begin(), session.begin(), session.begin()]).toEqual([1, 2, 3]);
  session.end(2);
  expect(session.floor).toBe(1);
  session.end(1);
  expect(session.floor).toBe(3);
  session.end(3);
  expect(session.floor).toBe(4);
  expect(session.begin()).toBe(4);
  expect(session.floor).toBe(4);
});

test("however mutations overlap, none that is awaited lies below the floor, and all below it have ended", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 60 }), (moves) => {
      const session = new Session(seededRng(2));
      const open = new Set<number>();
      let highest = 0;
      for (const move of moves) {
        const candidate = [...open][move];
        if (candidate === undefined) {
          highest = session.begin();
          open.add(highest);
        } else {
          session.end(candidate);
          open.delete(candidate);
        }
        expect(session.floor).toBe(Math.min(...open, highest + 1));
      }
    }),
  );
});
