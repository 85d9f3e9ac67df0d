/** Primaries that go while they make something durable: the retried put succeeds, and what the old one wrote shows nowhere. */
import { expect, onTestFinished, test } from "vitest";
import type { Job } from "../../../client/job.ts";
import { parseDurableName } from "../../../src/wire/durable-name.ts";
import { type InProcessFleet, startInProcessFleet } from "../../support/in-process-fleet.ts";
import { until } from "../../support/until.ts";
import { anyBytes } from "../../support/written-keys.ts";
import { gate, RecordingStore } from "./recording-store.ts";

async function start(nodes = 5): Promise<{ fleet: InProcessFleet; store: RecordingStore; job: Job }> {
  const store = new RecordingStore();
  const options = { nodes, nodeMemoryBytes: 32 * 2 ** 20, durableUrl: "file:///memory", objectStore: store };
  const fleet = await startInProcessFleet(options);
  onTestFinished(() => fleet.stop());
  return { fleet, store, job: await fleet.begin({ code: { d: 2, p: 2 } }) };
}

async function stopPrimary(fleet: InProcessFleet, key: string): Promise<void> {
  const [primary] = fleet.row(key);
  await fleet.node(primary!.id).stop();
}

const marks = (names: readonly string[]): string[] => names.map((name) => parseDurableName(name)!.mark);

test.each([
  ["small", Buffer.from("small")],
  ["large", anyBytes(300_000)],
])(
  "a put (%s) whose primary goes between upload and commit is made once, by the next one",
  async (_, data) => {
    const { fleet, store, job } = await start();
    const held = gate();
    let isFirst = true;
    const put = store.put.bind(store);
    store.put = async (name, body) => {
      await put(name, body);
      if (!isFirst || !name.includes("/durable/")) return;
      isFirst = false;
      await held.wait();
    };
    const putting = job.put("k", data, { durable: true });
    await held.reached;
    await stopPrimary(fleet, "k");
    const { version } = await putting;
    held.open();
    expect(data.equals(await job.get("k"))).toBe(true);
    expect((await job.stat("k")).version).toBe(version);
    // What the old primary left has an older mark, by which it is known.
    await until("both have arrived", () => store.namesOf(job, "k").length === 2);
    const names = store.namesOf(job, "k");
    expect(new Set(marks(names)).size).toBe(2);
    await job.put("k", "next", { durable: true });
    await until("the one that was committed is gone", () => store.namesOf(job, "k")[1] !== names[1]);
    expect(String(store.current(job, "k"))).toBe("next");
  },
);

test("an old primary's late request does not come before what the new one has committed", async () => {
  const { fleet, store, job } = await start();
  const late = gate();
  let isFirst = true;
  store.beforePut = async () => {
    if (!isFirst) return;
    isFirst = false;
    await late.wait();
  };
  const older = job.put("k", "older", { durable: true });
  await late.reached;
  await stopPrimary(fleet, "k");
  await older;
  await job.put("k", "newer", { durable: true });
  const puts = store.puts.length;
  late.open();
  await until("the old primary's object has arrived", () => store.puts.length === puts + 1);
  expect(store.namesOf(job, "k").length).toBeGreaterThan(1);
  expect(String(store.current(job, "k"))).toBe("newer");
  expect(String(await job.get("k"))).toBe("newer");
});

test("who follows as primary removes what is overwritten, and knows small values to be durable", async () => {
  const { fleet, store, job } = await start();
  const large = anyBytes(100_000);
  await job.put("small", "value", { durable: true });
  await job.put("large", large, { durable: true });
  for (const key of ["small", "large"]) await stopPrimary(fleet, key);
  expect(String(await job.get("small"))).toBe("value");
  expect(large.equals(await job.get("large"))).toBe(true);
  expect(await job.persist()).toMatchObject({ objects: 0, already: 2 });
  await job.put("small", "other");
  await job.delete("large");
  await until("both are gone", () => store.durableNames().length === 0);
});
