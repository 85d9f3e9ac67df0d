import { expect, test } from "vitest";
import { fleetForFile } from "./fleet-for-file.ts";

const shared = fleetForFile();

test("a latch opens for good when all have arrived", async () => {
  const [one, two] = await shared.clients(2);
  let isOpen = false;
  const waiting = two!
    .latch("ready", 3)
    .wait({ timeoutMs: 10_000 })
    .then(() => {
      isOpen = true;
    });
  const latch = one!.latch("ready", 3);
  await latch.arrive();
  await latch.arrive();
  expect([await latch.arrived(), isOpen]).toEqual([2, false]);
  await latch.arrive();
  await waiting;
  await two!.latch("ready", 3).wait({ timeoutMs: 5000 });
});

test("who arrives again counts once", async () => {
  const [one, two] = await shared.clients(2);
  await one!.latch("ready", 2).arrive({ id: "task 1" });
  await two!.latch("ready", 2).arrive({ id: "task 1" });
  expect(await one!.latch("ready", 2).arrived()).toBe(1);
  await expect(one!.latch("ready", 2).wait({ timeoutMs: 1500 })).rejects.toMatchObject({
    code: "DEADLINE_EXCEEDED",
    message: expect.stringContaining("1 of 2"),
  });
});

test("all who come to a barrier go on together", async () => {
  const jobs = await shared.clients(5);
  const passed: number[] = [];
  const waits = jobs.slice(1).map(async (job, at) => {
    await job.barrier("step 1", 5).wait({ id: String(at), timeoutMs: 10_000 });
    passed.push(at);
  });
  // A function that is run again while the first one of its kind still waits.
  await expect(jobs[0]!.barrier("step 1", 5).wait({ id: "0", timeoutMs: 1500 })).rejects.toMatchObject({
    code: "DEADLINE_EXCEEDED",
  });
  expect(passed).toEqual([]);
  await jobs[0]!.barrier("step 1", 5).wait({ id: "last" });
  await Promise.all(waits);
  expect(passed).toHaveLength(4);
});

test("what can be no latch is refused", async () => {
  const [job] = await shared.clients(1);
  const refused = { code: "INVALID_ARGUMENT" };
  await expect(job!.latch("a", 0).arrive()).rejects.toMatchObject(refused);
  await expect(job!.barrier("a", 2).wait({ id: "" })).rejects.toMatchObject(refused);
});
