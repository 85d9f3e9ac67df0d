import fc from "fast-check";
import { expect, test } from "vitest";
import { ExpiryWheel } from "../../../cache-node/cells/expiry-wheel.ts";

test("everything is taken once, never early, and at most a bucket late", () => {
  const times = fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 40 });
  fc.assert(
    fc.property(times, fc.array(fc.integer({ min: 1, max: 4000 }), { maxLength: 30 }), (due, steps) => {
      const wheel = new ExpiryWheel<number>();
      for (const atMs of due) wheel.add(atMs, atMs);
      const taken: number[] = [];
      let nowMs = 0;
      for (const step of [0, ...steps, 30_000]) {
        nowMs += step;
        for (const atMs of wheel.take(nowMs)) {
          expect(atMs).toBeLessThanOrEqual(nowMs);
          taken.push(atMs);
        }
        const overdue = due.filter((atMs) => atMs + 1000 <= nowMs);
        for (const atMs of overdue) expect(taken).toContain(atMs);
      }
      expect(taken.toSorted((a, b) => a - b)).toEqual(due.toSorted((a, b) => a - b));
      expect(wheel.take(nowMs + 1e9)).toEqual([]);
    }),
  );
});
