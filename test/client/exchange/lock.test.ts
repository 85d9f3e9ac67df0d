import { expect, test } from "vitest";
import { fleetForFile } from "./fleet-for-file.ts";

const shared = fleetForFile();

test("one at a time has the lock, and each one a larger fence", async () => {
  const jobs = await shared.clients(6);
  let holders = 0;
  const fences: bigint[] = [];
  await Promise.all(
    jobs.map(async (job) => {
      for (let round = 0; round < 5; round++) {
        await using held = await job.lock("table").acquire({ timeoutMs: 30_000 });
        holders += 1;
        expect(holders).toBe(1);
        fences.push(held.fence);
        await job.counter("turns").add();
        holders -= 1;
      }
    }),
  );
  expect(fences).toHaveLength(30);
  for (const [at, fence] of fences.entries()) if (at > 0) expect(fence).toBeGreaterThan(fences[at - 1]!);
});

test("the lock of one who died is free when the lease is over; an extended one is not", async () => {
  const [one, two] = await shared.clients(2);
  const held = await one!.lock("table").acquire({ leaseMs: 3000 });
  await held.extend(4000);
  await expect(two!.lock("table").acquire({ timeoutMs: 1000 })).rejects.toMatchObject({
    code: "DEADLINE_EXCEEDED",
  });
  const next = await two!.lock("table").acquire({ timeoutMs: 20_000 });
  expect(next.fence).toBeGreaterThan(held.fence);
  await expect(held.extend()).rejects.toMatchObject({ code: "VERSION_MISMATCH" });
  expect(await held.release()).toBe(false);
  expect(await next.release()).toBe(true);
  expect(await next.release()).toBe(false);
  await expect(one!.lock("table").acquire({ leaseMs: 0 })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
});
