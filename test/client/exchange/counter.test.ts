import { expect, test } from "vitest";
import { fleetForFile } from "./fleet-for-file.ts";

const shared = fleetForFile();

test("a counter counts what all add, and tells when it has come far enough", async () => {
  const [one, two] = await shared.clients(2);
  const counter = one!.counter("done");
  expect(await counter.value()).toBe(0);
  const waiting = two!.counter("done").atLeast(10, { timeoutMs: 10_000 });
  await Promise.all(Array.from({ length: 9 }, () => counter.add()));
  expect(await counter.value()).toBe(9);
  expect(await two!.counter("done").add(5)).toBe(14);
  expect(await waiting).toBe(14);
  expect(await counter.add(-20)).toBe(-6);
  expect(await counter.atLeast(-6)).toBe(-6);
  expect(await one!.counter("other").atLeast(0)).toBe(0);
});

test("who waits for more than comes in time is told how far it is", async () => {
  const [job] = await shared.clients(1);
  await job!.counter("done").add(3);
  await expect(job!.counter("done").atLeast(4, { timeoutMs: 1500 })).rejects.toMatchObject({
    code: "DEADLINE_EXCEEDED",
    message: expect.stringContaining("is at 3"),
  });
  await expect(job!.counter("done").add(0.5)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await job!.counter("full").add(Number.MAX_SAFE_INTEGER);
  await expect(job!.counter("full").add()).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});
