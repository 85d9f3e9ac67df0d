import { expect, test } from "vitest";
import type { Results, TaskResult } from "../../../client/index.ts";
import { anyBytes } from "../../support/written-keys.ts";
import { fleetForFile } from "./fleet-for-file.ts";

const shared = fleetForFile();

async function taken(results: Results, count: number, timeoutMs = 10_000): Promise<[string, string][]> {
  const all: [string, string][] = [];
  for await (const { id, data } of results.first(count, { timeoutMs })) all.push([id, String(data)]);
  return all;
}

test("the first results are read in the order in which they arrive", async () => {
  const [worker, coordinator] = await shared.clients(2);
  const reading = taken(coordinator!.results("fit"), 3);
  for (const task of [7, 3, 9, 1]) expect(await worker!.results("fit").put(task, `of ${task}`)).toBe(true);
  expect(await reading).toEqual([
    ["7", "of 7"],
    ["3", "of 3"],
    ["9", "of 9"],
  ]);
  expect(await coordinator!.results("fit").count()).toBe(4);
  expect(await taken(coordinator!.results("fit"), 0)).toEqual([]);
});

test("of several results of a task the first one counts", async () => {
  const [one, two] = await shared.clients(2);
  expect(await one!.results("fit").put("a", "first")).toBe(true);
  expect(await two!.results("fit").put("a", "second")).toBe(false);
  expect(await two!.results("fit").put("a", anyBytes(100_000))).toBe(false);
  expect(await taken(one!.results("fit"), 1)).toEqual([["a", "first"]]);
  let objects = 0;
  for await (const _ of one!.list("mf:results/fit/")) objects += 1;
  expect(objects).toBe(0);
});

test("large results come whole", async () => {
  const [job] = await shared.clients(1);
  const bytes = anyBytes(1_500_000);
  await job!.results("fit").put("large", bytes);
  const all: TaskResult[] = [];
  for await (const result of job!.results("fit").first(1)) all.push(result);
  expect(bytes.equals(all[0]!.data)).toBe(true);
});

test("who waits for more than come in time is told how many there are, and who is missing", async () => {
  const [job] = await shared.clients(1);
  const fits = job!.results("fit");
  const tasks = Array.from({ length: 150 }, (_, task) => task);
  for (const task of tasks) if (task % 50 !== 0) await fits.put(task, "x");
  const came: string[] = [];
  const reading = (async () => {
    for await (const { id } of fits.first(150, { timeoutMs: 2000 })) came.push(id);
  })();
  await expect(reading).rejects.toMatchObject({
    code: "DEADLINE_EXCEEDED",
    message: expect.stringContaining("147 of the first 150"),
  });
  expect(came).toHaveLength(147);
  expect(await fits.stragglers(tasks)).toEqual(["0", "50", "100"]);
  expect(await job!.results("none").stragglers(["a", "b"])).toEqual(["a", "b"]);
});

test("what can be no task or number is refused", async () => {
  const [job] = await shared.clients(1);
  await expect(job!.results("fit").put("", "x")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(job!.results("fit").first(-1).next()).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});
