import fc from "fast-check";
import { expect, test } from "vitest";
import { BackupLink } from "../../../cache-node/replication/backup-link.ts";
import { MayflyError } from "../../../src/errors.ts";
import type { Group } from "../../../src/ids.ts";
import { decodeEffects, type Effect, effectsBatch, encodeEffect } from "../../../src/wire/cell.ts";
import { FakeClock } from "../../controller/fake-clock.ts";
import { effectOf } from "./effects.ts";

interface Batch {
  readonly sequences: readonly number[];
  succeed(): Promise<void>;
  fail(code?: "BUSY" | "MOVED"): Promise<void>;
}

const logged = (effect: Effect) => ({ group: effect.group, encoded: encodeEffect(effect) });

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function createLink(wanted: (group: Group) => boolean = () => true) {
  const clock = new FakeClock();
  const batches: Batch[] = [];
  const acknowledged: number[] = [];
  const failures: string[] = [];
  const link = new BackupLink({
    clock,
    wanted,
    send: (encoded) =>
      new Promise((resolve, reject) => {
        batches.push({
          sequences: decodeEffects(Buffer.concat(effectsBatch(encoded))).map(
            (effect) => effect.version.sequence,
          ),
          succeed: () => {
            resolve();
            return turn();
          },
          fail: (code = "BUSY") => {
            reject(new MayflyError(code, "not now"));
            return turn();
          },
        });
      }),
    onFailure: (error) => failures.push(error.code),
  });
  const push = (...sequences: readonly number[]): Promise<void> => {
    for (const sequence of sequences) {
      link.push({ ...logged(effectOf(sequence)), acknowledged: () => acknowledged.push(sequence) });
    }
    return turn();
  };
  return { link, clock, batches, acknowledged, failures, push };
}

test("what is logged in one tick goes in one batch, and is acknowledged in order", async () => {
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
  const { link, batches } = createLink();
  const value = Buffer.alloc(100 * 1024);
  for (let i = 1; i <= 5; i++)
    link.push({ ...logged(effectOf(i, { value })), acknowledged: () => undefined });
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

test("effects that are no longer wanted are not sent again, and are never acknowledged", async () => {
  let dropped: number | undefined;
  const { batches, acknowledged, push, clock, link } = createLink((group) => group !== dropped);
  for (const sequence of [1, 2]) {
    const elsewhere = effectOf(sequence, { group: 7 as Group });
    link.push({ ...logged(elsewhere), acknowledged: () => acknowledged.push(sequence) });
  }
  await turn();
  await push(3);
  await batches[0]!.fail("MOVED");
  dropped = 7;
  await batches[1]!.fail("MOVED");
  await clock.advance(50);
  expect(batches[2]!.sequences).toEqual([3]);
  await batches[2]!.succeed();
  expect(acknowledged).toEqual([3]);
  expect(link.backlog).toBe(0);
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

test("whatever fails whenever, everything is acknowledged once, in order, and only after it was taken", async () => {
  const outcome = fc.record({ push: fc.nat(3), answers: fc.array(fc.boolean(), { maxLength: 4 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(outcome, { maxLength: 20 }), async (steps) => {
      const { batches, acknowledged, push, clock } = createLink();
      /** What the backup has, by its own rule: in order and without gaps. */
      let taken = 0;
      let pushed = 0;
      let answered = 0;
      const answer = async (succeed: boolean): Promise<void> => {
        const batch = batches[answered];
        if (batch === undefined) return;
        answered += 1;
        const fits = batch.sequences[0]! <= taken + 1;
        if (succeed && fits) {
          taken = Math.max(taken, ...batch.sequences);
          await batch.succeed();
        } else await batch.fail();
        await clock.advance(50);
        expect(acknowledged.length).toBeLessThanOrEqual(taken);
      };
      for (const { push: count, answers } of steps) {
        if (count > 0) await push(...Array.from({ length: count }, () => ++pushed));
        for (const succeed of answers) await answer(succeed);
      }
      for (let i = 0; i < 1000 && acknowledged.length < pushed; i++) await answer(true);
      expect(acknowledged).toEqual(Array.from({ length: pushed }, (_, i) => i + 1));
    }),
    { numRuns: 60 },
  );
});
