import fc from "fast-check";
import { expect, test } from "vitest";
import { GroupLog } from "../../../cache-node/replication/group-log.ts";
import { nodeId } from "../../../src/ids.ts";

const [a, b, c] = [nodeId(1), nodeId(2), nodeId(3)];

function logOf(backups: readonly (typeof a)[], position = 0): GroupLog {
  const log = new GroupLog();
  log.begin(position, backups);
  return log;
}

test("without backups an effect is committed at once", () => {
  const log = logOf([]);
  const ran: number[] = [];
  expect(log.append()).toBe(1);
  expect(log.committed).toBe(1);
  log.whenCommitted(1, () => ran.push(1));
  expect(ran).toEqual([1]);
});

test("with backups it is committed when the last one has acknowledged it", () => {
  const log = logOf([a, b]);
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

test("who begins to lead counts nothing as committed, also of what it has long had", () => {
  const log = logOf([a, b], 7);
  const ran: number[] = [];
  log.whenCommitted(5, () => ran.push(5));
  expect([log.position, log.committed]).toEqual([7, 0]);
  expect(log.append()).toBe(8);
  log.acknowledge(a, 8);
  expect(ran).toEqual([]);
  log.acknowledge(b, 8);
  expect(ran).toEqual([5]);
  expect(log.committed).toBe(8);
});

test("a backup that left the row is not waited for, and one that is not listed is not added", () => {
  const log = logOf([a, b]);
  const ran: number[] = [];
  log.whenCommitted(log.append(), () => ran.push(1));
  log.acknowledge(a, 1);
  log.keepBackups([a, c]);
  expect(ran).toEqual([1]);
  expect([...log.backups]).toEqual([a]);
});

test("from its inclusion on nothing is committed without a joining node", () => {
  const log = logOf([a], 4);
  const ran: number[] = [];
  log.whenCommitted(log.append(), () => ran.push(5));
  log.include(c, 3);
  expect([log.includes(c), log.acknowledgedBy(c)]).toEqual([true, 3]);
  log.acknowledge(a, 5);
  expect(ran).toEqual([]);
  log.acknowledge(c, 5);
  expect(ran).toEqual([5]);
  // What it was known to have is not forgotten when it is included again.
  log.include(c, 2);
  expect(log.acknowledgedBy(c)).toBe(5);
});

test("who is no longer primary answers nothing that was not acknowledged by all", () => {
  const log = logOf([a]);
  const ran: boolean[] = [];
  log.whenCommitted(log.append(), (committed) => ran.push(committed));
  log.resign();
  expect(ran).toEqual([false]);
  log.acknowledge(a, 1);
  expect(ran).toEqual([false]);
});

type Move =
  | { readonly kind: "append" }
  | { readonly kind: "wait"; readonly back: number }
  | { readonly kind: "acknowledge"; readonly backup: number; readonly back: number }
  | { readonly kind: "include"; readonly backup: number; readonly back: number }
  | { readonly kind: "keep"; readonly ids: readonly number[] };

const member = fc.integer({ min: 1, max: 4 });
const move: fc.Arbitrary<Move> = fc.oneof(
  fc.record({ kind: fc.constant("append" as const) }),
  fc.record({ kind: fc.constant("wait" as const), back: fc.nat(3) }),
  fc.record({ kind: fc.constant("acknowledge" as const), backup: member, back: fc.nat(4) }),
  fc.record({ kind: fc.constant("include" as const), backup: member, back: fc.nat(4) }),
  fc.record({ kind: fc.constant("keep" as const), ids: fc.uniqueArray(member, { maxLength: 4 }) }),
);

test("nothing is told as committed before every backup of the moment has it, and everything is told once", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(member, { maxLength: 3 }),
      fc.array(move, { maxLength: 60 }),
      (first, moves) => {
        const log = logOf(first.map(nodeId));
        /** The backups of now, and what each has acknowledged. */
        let backups = new Map(first.map((id) => [id, 0]));
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
              // One that is included later may have less: it is on its way there.
              if (position > before) {
                for (const has of backups.values()) expect(has).toBeGreaterThanOrEqual(position);
              }
            });
          } else if (step.kind === "acknowledge" || step.kind === "include") {
            const position = Math.max(0, log.position - step.back);
            const known = backups.get(step.backup);
            const isNew = step.kind === "include" && known === undefined;
            if (isNew || known !== undefined) backups.set(step.backup, Math.max(known ?? 0, position));
            if (isNew) log.include(nodeId(step.backup), position);
            else log.acknowledge(nodeId(step.backup), position);
          } else {
            backups = new Map([...backups].filter(([id]) => step.ids.includes(id)));
            log.keepBackups(step.ids.map(nodeId));
          }
          expect(log.committed).toBeGreaterThanOrEqual(before);
          const onAll = Math.min(log.position, ...backups.values());
          if (step.kind !== "include") expect(log.committed).toBeGreaterThanOrEqual(onAll);
        }
        backups = new Map();
        log.keepBackups([]);
        expect(told.size).toBe(waits);
        expect(log.committed).toBe(log.position);
      },
    ),
    { numRuns: 300 },
  );
});
