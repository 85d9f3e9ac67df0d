import fc from "fast-check";
import { expect, test } from "vitest";
import { GroupLog } from "../../../cache-node/replication/group-log.ts";
import { nodeId } from "../../../src/ids.ts";

const [a, b, c] = [nodeId(1), nodeId(2), nodeId(3)];

test("without backups an effect is committed at once", () => {
  const log = new GroupLog();
  const ran: number[] = [];
  expect(log.append()).toBe(1);
  expect(log.committed).toBe(1);
  log.whenCommitted(1, () => ran.push(1));
  expect(ran).toEqual([1]);
});

test("with backups it is committed when the last one has acknowledged it", () => {
  const log = new GroupLog();
  log.setBackups([a, b]);
  const ran: string[] = [];
  for (let i = 0; i < 3; i++) {
    const position = log.append();
    log.whenCommitted(position, (committed) => ran.push(`${position} ${committed}`));
  }
  log.acknowledge(a, 3);
  expect(ran).toEqual([]);
  log.acknowledge(b, 2);
  expect(ran).toEqual(["1 true", "2 true"]);
  expect(log.committed).toBe(2);
  log.acknowledge(b, 1);
  log.acknowledge(c, 3);
  expect(log.committed).toBe(2);
  log.acknowledge(b, 3);
  expect(ran).toHaveLength(3);
});

test("a backup that left the row is not waited for, and a new one only for what comes", () => {
  const log = new GroupLog();
  log.setBackups([a, b]);
  const ran: number[] = [];
  log.whenCommitted(log.append(), () => ran.push(1));
  log.acknowledge(a, 1);
  log.setBackups([a, c]);
  expect(ran).toEqual([1]);
  log.whenCommitted(log.append(), () => ran.push(2));
  log.acknowledge(a, 2);
  expect(ran).toEqual([1]);
  log.acknowledge(c, 2);
  expect(ran).toEqual([1, 2]);
});

test("who is no longer primary answers nothing that was not acknowledged by all", () => {
  const log = new GroupLog();
  log.setBackups([a]);
  const ran: boolean[] = [];
  log.whenCommitted(log.append(), (committed) => ran.push(committed));
  log.resign();
  expect(ran).toEqual([false]);
  log.acknowledge(a, 1);
  expect(ran).toEqual([false]);
  // Primary again: only what comes now is waited for.
  log.setBackups([b]);
  const position = log.append();
  log.whenCommitted(position, (committed) => ran.push(committed));
  expect(ran).toEqual([false]);
  log.acknowledge(b, position);
  expect(ran).toEqual([false, true]);
});

type Move =
  | { readonly kind: "append" }
  | { readonly kind: "wait"; readonly back: number }
  | { readonly kind: "acknowledge"; readonly backup: number; readonly back: number }
  | { readonly kind: "backups"; readonly ids: readonly number[] };

const move: fc.Arbitrary<Move> = fc.oneof(
  fc.record({ kind: fc.constant("append" as const) }),
  fc.record({ kind: fc.constant("wait" as const), back: fc.nat(3) }),
  fc.record({
    kind: fc.constant("acknowledge" as const),
    backup: fc.integer({ min: 1, max: 4 }),
    back: fc.nat(4),
  }),
  fc.record({
    kind: fc.constant("backups" as const),
    ids: fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
  }),
);

test("nothing is told as committed before every backup of the moment has it, and everything is told once", () => {
  fc.assert(
    fc.property(fc.array(move, { maxLength: 60 }), (moves) => {
      const log = new GroupLog();
      /** The backups of now, and from where on each must acknowledge. */
      let backups = new Map<number, number>();
      const told = new Map<number, number>();
      let waits = 0;
      for (const step of moves) {
        const before = log.committed;
        if (step.kind === "append") log.append();
        else if (step.kind === "wait") {
          const position = Math.max(0, log.position - step.back);
          const id = waits++;
          log.whenCommitted(position, (committed) => {
            expect(committed).toBe(true);
            expect(told.has(id)).toBe(false);
            told.set(id, position);
            for (const acknowledged of backups.values())
              expect(acknowledged).toBeGreaterThanOrEqual(position);
          });
        } else if (step.kind === "acknowledge") {
          const position = Math.max(0, log.position - step.back);
          const known = backups.get(step.backup);
          if (known !== undefined) backups.set(step.backup, Math.max(known, position));
          log.acknowledge(nodeId(step.backup), position);
        } else {
          backups = new Map(step.ids.map((id) => [id, backups.get(id) ?? log.position]));
          log.setBackups(step.ids.map(nodeId));
        }
        expect(log.committed).toBeGreaterThanOrEqual(before);
        expect(log.committed).toBeGreaterThanOrEqual(Math.min(log.position, ...backups.values()));
      }
      backups = new Map();
      log.setBackups([]);
      expect(told.size).toBe(waits);
    }),
    { numRuns: 300 },
  );
});
