import fc from "fast-check";
import { expect, test } from "vitest";
import { BackupLink, type GroupSnapshot } from "../../../cache-node/replication/backup-link.ts";
import { MayflyError } from "../../../src/errors.ts";
import type { Group } from "../../../src/ids.ts";
import { decodeEffects, type Effect, effectsBatch, encodeEffect } from "../../../src/wire/cell.ts";
import { FakeClock } from "../../controller/fake-clock.ts";
import { effectOf } from "./effects.ts";

interface Batch {
  readonly effects: readonly Effect[];
  readonly sequences: readonly number[];
  succeed(refused?: readonly Group[]): Promise<void>;
  fail(code?: "BUSY" | "MOVED"): Promise<void>;
}

const group = 0 as Group;
const other = 7 as Group;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A piece of a snapshot at a position. */
function pieceOf(of: Group, position: number, at: number, count: number, bytes = 10): Uint8Array {
  return encodeEffect(
    effectOf(position, {
      ...{ group: of, kind: "snapshot", sessionSequence: at, sessionFloor: count },
      value: Buffer.alloc(bytes),
    }),
  );
}

function createLink(options: { readonly snapshot?: (group: Group) => GroupSnapshot; open?: boolean } = {}) {
  const clock = new FakeClock();
  const batches: Batch[] = [];
  const acknowledged: number[] = [];
  const failures: string[] = [];
  const snapshots: Group[] = [];
  const state = { position: 0 };
  const snapshotOf = (of: Group): GroupSnapshot => ({
    position: state.position,
    pieces: [pieceOf(of, state.position, 0, 1)],
  });
  const link = new BackupLink({
    clock,
    atEndOfTurn: (run) => queueMicrotask(run),
    send: (encoded) =>
      new Promise((resolve, reject) => {
        const effects = decodeEffects(Buffer.concat(effectsBatch(encoded)));
        batches.push({
          effects,
          sequences: effects.map((effect) => effect.version.sequence),
          succeed: (refused = []) => {
            resolve(refused);
            return turn();
          },
          fail: (code = "BUSY") => {
            reject(new MayflyError(code, "not now"));
            return turn();
          },
        });
      }),
    snapshot: (of) => {
      snapshots.push(of);
      return (options.snapshot ?? snapshotOf)(of);
    },
    onAcknowledged: (_, position) => acknowledged.push(position),
    onFailure: (error) => failures.push(error.code),
  });
  const pushTo = (to: Group, effect: Effect): void => {
    state.position = effect.version.sequence;
    link.push(to, encodeEffect(effect), effect.version.sequence);
  };
  const push = (...sequences: readonly number[]): Promise<void> => {
    for (const sequence of sequences) pushTo(group, effectOf(sequence));
    return turn();
  };
  if (options.open !== false) link.open(group, false);
  return { link, clock, batches, acknowledged, failures, snapshots, state, push, pushTo };
}

test("what is logged in one turn goes in one batch, and is acknowledged in order", async () => {
  const { batches, acknowledged, push, link } = createLink();
  await push(1, 2, 3);
  await push(4);
  expect(batches.map((batch) => batch.sequences)).toEqual([[1, 2, 3], [4]]);
  expect(link.backlog).toBe(4);
  await batches[0]!.succeed();
  expect(acknowledged).toEqual([1, 2, 3]);
  await batches[1]!.succeed();
  expect(acknowledged).toEqual([1, 2, 3, 4]);
  expect(link.backlog).toBe(0);
});

test("only so many batches are under way; the rest follows as they are acknowledged", async () => {
  const { batches, push } = createLink();
  for (let i = 1; i <= 12; i++) await push(i);
  expect(batches).toHaveLength(8);
  await batches[0]!.succeed();
  expect(batches).toHaveLength(9);
  // What has gathered meanwhile goes in one batch.
  expect(batches[8]!.sequences).toEqual([9, 10, 11, 12]);
});

test("a batch has a limit of bytes", async () => {
  const { batches, pushTo } = createLink();
  for (let i = 1; i <= 5; i++) pushTo(group, effectOf(i, { value: Buffer.alloc(100 * 1024) }));
  await turn();
  expect(batches.map((batch) => batch.sequences)).toEqual([
    [1, 2, 3],
    [4, 5],
  ]);
});

test("after a failure all that is not acknowledged is sent again, in order, after a pause", async () => {
  const { batches, acknowledged, failures, push, clock } = createLink();
  await push(1);
  await push(2, 3);
  await push(4);
  await batches[0]!.succeed();
  await batches[1]!.fail("MOVED");
  await push(5);
  // One is still under way: that it succeeds says nothing, since what was before it is missing.
  await clock.advance(1000);
  expect(batches).toHaveLength(3);
  await batches[2]!.succeed();
  expect(acknowledged).toEqual([1]);
  expect(failures).toEqual(["MOVED"]);
  await clock.advance(49);
  expect(batches).toHaveLength(3);
  await clock.advance(1);
  expect(batches[3]!.sequences).toEqual([2, 3, 4, 5]);
  await batches[3]!.succeed();
  expect(acknowledged).toEqual([1, 2, 3, 4, 5]);
});

test("a group that is dropped is not sent again and never acknowledged, and takes nothing more", async () => {
  const { batches, acknowledged, push, pushTo, clock, link } = createLink();
  link.open(other, false);
  for (const sequence of [1, 2]) pushTo(other, effectOf(sequence, { group: other }));
  await turn();
  await push(3);
  await batches[0]!.fail("MOVED");
  link.drop(other);
  expect(link.has(other)).toBe(false);
  await batches[1]!.fail("MOVED");
  pushTo(other, effectOf(4, { group: other }));
  await clock.advance(50);
  expect(batches[2]!.sequences).toEqual([3]);
  await batches[2]!.succeed();
  expect(acknowledged).toEqual([3]);
  expect(link.backlog).toBe(0);
});

test("what was under way when a stream began anew is not acknowledged to the new one", async () => {
  const { batches, acknowledged, push, link } = createLink();
  await push(1, 2);
  link.drop(group);
  link.open(group, false);
  await push(3);
  await batches[0]!.succeed();
  expect(acknowledged).toEqual([]);
  await batches[1]!.succeed();
  expect(acknowledged).toEqual([3]);
});

test("who has nothing of a group gets a snapshot, with all that was logged before it left, and then goes on", async () => {
  const { batches, acknowledged, push, link, snapshots } = createLink({ open: false });
  link.open(group, true);
  const pushed = push(5, 6);
  await pushed;
  expect(snapshots).toEqual([group]);
  expect(batches.map(({ effects }) => effects.map(({ kind }) => kind))).toEqual([["snapshot"]]);
  await push(7);
  expect(batches[1]!.sequences).toEqual([7]);
  await batches[0]!.succeed();
  expect(acknowledged).toEqual([6]);
  await batches[1]!.succeed();
  expect(acknowledged).toEqual([6, 7]);
});

test("a group that is refused gets a snapshot; what was sent before it counts for nothing", async () => {
  const { batches, acknowledged, push, snapshots } = createLink();
  await push(1);
  await push(2);
  await batches[0]!.succeed([group]);
  expect(snapshots).toEqual([group]);
  expect(batches[2]!.effects.map(({ kind, version }) => [kind, version.sequence])).toEqual([["snapshot", 2]]);
  await batches[1]!.succeed([group]);
  expect(snapshots).toHaveLength(1);
  await push(3);
  await batches[2]!.succeed();
  await batches[3]!.succeed();
  expect(acknowledged).toEqual([2, 3]);
});

test("a snapshot that is refused is taken anew after a pause", async () => {
  const { batches, clock, push, snapshots, acknowledged } = createLink();
  await push(1);
  await batches[0]!.succeed([group]);
  await batches[1]!.succeed([group]);
  await push(2);
  await clock.advance(49);
  expect(snapshots).toHaveLength(1);
  await clock.advance(1);
  expect(snapshots).toHaveLength(2);
  await batches[2]!.succeed();
  expect(acknowledged).toEqual([2]);
});

test("a snapshot counts as taken with its last piece, and its pieces are sent again like anything else", async () => {
  const pieces = [0, 1, 2].map((at) => pieceOf(group, 9, at, 3, 120 * 1024));
  const { batches, acknowledged, link, clock } = createLink({
    snapshot: () => ({ position: 9, pieces }),
    open: false,
  });
  link.open(group, true);
  await turn();
  expect(batches.map(({ effects }) => effects.map(({ sessionSequence }) => sessionSequence))).toEqual([
    [0, 1, 2],
  ]);
  await batches[0]!.fail();
  await clock.advance(50);
  await batches[1]!.succeed();
  expect(acknowledged).toEqual([9]);
  expect(link.backlog).toBe(0);
});

test("no more snapshots are queued at once than a few megabytes, and all come in the end", async () => {
  const bytes = 120 * 1024;
  const { batches, snapshots, link } = createLink({
    snapshot: (of) => ({
      position: 1,
      pieces: Array.from({ length: 10 }, (_, at) => pieceOf(of, 1, at, 10, bytes)),
    }),
    open: false,
  });
  for (let of = 0 as Group; of < 12; of++) link.open(of, true);
  await turn();
  expect(snapshots).toHaveLength(4);
  for (let at = 0; at < 100 && snapshots.length < 12; at++) await batches[at]?.succeed();
  expect(snapshots).toHaveLength(12);
});

test("a closed link sends and acknowledges nothing more", async () => {
  const { link, batches, acknowledged, push, clock } = createLink();
  await push(1);
  link.close();
  await batches[0]!.succeed();
  await push(2);
  await clock.advance(1000);
  expect(batches).toHaveLength(1);
  expect(acknowledged).toEqual([]);

  const failed = createLink();
  await failed.push(1);
  await failed.batches[0]!.fail();
  failed.link.close();
  await failed.clock.advance(1000);
  expect(failed.batches).toHaveLength(1);
});

test("whatever fails or is refused whenever, everything is acknowledged in order, and only after it was taken", async () => {
  type Answer = "take" | "fail" | "lose";
  const answers = fc.array(fc.constantFrom<Answer>("take", "fail", "lose"), { maxLength: 4 });
  const outcome = fc.record({ push: fc.nat(3), answers });
  await fc.assert(
    fc.asyncProperty(fc.array(outcome, { maxLength: 20 }), async (steps) => {
      const { batches, acknowledged, push, clock } = createLink();
      /** What the backup has, by its own rule: in order and without gaps, or a snapshot of all. */
      let taken = 0;
      let pushed = 0;
      let answered = 0;
      const answer = async (kind: Answer): Promise<void> => {
        const batch = batches[answered];
        if (batch === undefined) return;
        answered += 1;
        const known = acknowledged.length;
        if (kind === "lose") taken = 0;
        if (kind === "fail") await batch.fail();
        else {
          let refused = false;
          for (const { kind: of, version } of batch.effects) {
            if (refused || (of !== "snapshot" && version.sequence > taken + 1)) refused = true;
            else taken = Math.max(taken, version.sequence);
          }
          await batch.succeed(refused ? [group] : []);
        }
        await clock.advance(50);
        for (const position of acknowledged.slice(known)) expect(position).toBeLessThanOrEqual(taken);
      };
      for (const { push: count, answers: given } of steps) {
        if (count > 0) await push(...Array.from({ length: count }, () => ++pushed));
        for (const kind of given) await answer(kind);
      }
      for (let i = 0; i < 1000 && acknowledged.at(-1) !== pushed && pushed > 0; i++) await answer("take");
      expect(acknowledged).toEqual([...new Set(acknowledged)].sort((x, y) => x - y));
      expect(acknowledged.at(-1) ?? 0).toBe(pushed);
    }),
    { numRuns: 60 },
  );
});
