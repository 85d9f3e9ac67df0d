/** Jobs end, by request or by themselves, and what they held is given back on every node. */
import { expect, test } from "vitest";
import { startFleet, type TestFleet } from "../support/fleet.ts";
import { askNodeInfo } from "../support/node-info.ts";
import { until } from "../support/until.ts";
import { anyBytes, expectAllRight, write } from "../support/written-keys.ts";

const code = { d: 2, p: 1 };
const usedBytes = ({ map }: TestFleet): Promise<number[]> =>
  Promise.all(map.nodes.map(async (node) => (await askNodeInfo(node)).usedBytes));

test("the end of a job frees its memory on every node within a second, and nothing of it can be used again", async () => {
  const fleet = await startFleet(4);
  const other = await fleet.begin({ code, name: "other" });
  const kept = [await write(other, "a", 100), await write(other, "b", 200_000)];
  const empty = await usedBytes(fleet);
  const { ticket, token, job: created } = await fleet.createJob({ code });
  const job = await fleet.connect(ticket);
  const written = await Promise.all(Array.from({ length: 40 }, (_, n) => write(job, `key-${n}`, 500_000)));
  await Promise.all(Array.from({ length: 200 }, (_, n) => write(job, `cell-${n}`, 2000)));
  for (const [at, bytes] of (await usedBytes(fleet)).entries())
    expect(bytes).toBeGreaterThan(empty[at]! + 3e6);
  const waiting = job.get("never", { waitMs: 60_000 }).catch((error: unknown) => error);

  await fleet.controller.endJob(created.job, token);
  const freed = async (): Promise<boolean> =>
    (await usedBytes(fleet)).every((bytes, at) => bytes <= empty[at]!);
  await until("every node has given the memory back", freed, 1000);

  expect(await waiting).toMatchObject({ code: "JOB_ENDED" });
  const ended = { code: "JOB_ENDED" };
  await expect(job.get("key-1")).rejects.toMatchObject(ended);
  await expect(job.get(written[0]!.ref)).rejects.toMatchObject(ended);
  await expect(job.put("late", "x")).rejects.toMatchObject(ended);
  await expect(job.put("late", anyBytes(100_000))).rejects.toMatchObject(ended);
  await expect(job.delete("key-1")).rejects.toMatchObject(ended);
  await expect(job.list().next()).rejects.toMatchObject(ended);
  await expect(job.extend()).rejects.toMatchObject(ended);
  expect(await freed()).toBe(true);
  await expectAllRight(other, kept);
  // To end it again is no error; another job does not get its number.
  await fleet.controller.endJob(created.job);
  expect((await fleet.createJob({ code })).job.job).toBe(created.job + 1);
});

test("a job that nobody uses ends when lease and grace are over; one that is used does not", async () => {
  const fleet = await startFleet(3);
  const lease = { code: { d: 1, p: 1 }, leaseMs: 1000, graceMs: 500 };
  const idle = await fleet.begin({ ...lease, name: "idle" });
  const { ticket, job: busy } = await fleet.createJob({ ...lease, name: "busy" });
  const user = await fleet.connect(ticket);
  await write(idle, "key", 300_000);
  const kept = [await write(user, "cell", 10), await write(user, "object", 300_000)];
  await until("the idle job ends", async () => {
    await expectAllRight(user, kept);
    const jobs = await fleet.controller.jobs();
    expect(jobs.find(({ name }) => name === "busy")?.state).toBe("alive");
    return jobs.find(({ name }) => name === "idle")?.state === "ended";
  });
  await until("its data are freed", () =>
    idle.get("key").then(
      () => false,
      (error: { code: string }) => error.code === "JOB_ENDED",
    ),
  );
  await expectAllRight(user, kept);
  // Only now nobody uses it any more.
  await until("the other one ends, too", async () => {
    const jobs = await fleet.controller.jobs();
    return jobs.find(({ job }) => job === busy.job)?.state === "ended";
  });
});

test("a job takes no more than its quota, and what it deletes it can use again", async () => {
  const fleet = await startFleet(3);
  const quotaBytes = 24e6;
  const job = await fleet.begin({ code: { d: 2, p: 1 }, quotaBytes });
  const unlimited = await fleet.begin({ code: { d: 2, p: 1 } });
  const bytes = anyBytes(1_000_000);
  const usedOf = async (): Promise<number> =>
    (await fleet.controller.jobs()).find(({ job: number }) => number === job.number)!.usedBytes;
  // What was stored of it before it was refused is freed.
  const tooLarge = job.put("too-large", anyBytes(4 * quotaBytes));
  await expect(tooLarge).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
  await until("its parts are gone", async () => (await usedOf()) < quotaBytes / 4);
  const mayWrite = (): Promise<boolean> =>
    job.put("again", bytes).then(
      () => true,
      (error: { code: string }) => {
        expect(error.code).toBe("QUOTA_EXCEEDED");
        return false;
      },
    );
  await until("it may write", mayWrite);

  const keys: string[] = [];
  const fillUp = async (): Promise<unknown> => {
    for (let n = 0; n < 400; n++) {
      const key = `key-${keys.length}-${n}`;
      try {
        await job.put(key, bytes);
        keys.push(key);
      } catch (error) {
        return error;
      }
    }
    return "never full";
  };
  expect(await fillUp()).toMatchObject({ code: "QUOTA_EXCEEDED", kind: "busy" });
  const full = keys.length;
  // Parity counts. Each node alone stops at the quota; the controller's sum of all comes with the heartbeats.
  expect(full).toBeGreaterThan(8);
  expect(full * 1.5e6).toBeLessThan(3 * quotaBytes);
  await until("the controller sees it", async () => (await usedOf()) > quotaBytes - 3e6);
  await unlimited.put("key", bytes);
  await job.get(keys[0]!);

  for (const key of keys.splice(0)) await job.delete(key);
  await until("it may write again", mayWrite);
  expect(await fillUp()).toMatchObject({ code: "QUOTA_EXCEEDED" });
  // Nothing is left behind by the puts that were refused.
  expect(keys.length).toBeGreaterThan(full / 2);
});
