/** A fleet sleeps in its object store and wakes with everything that it had. */
import { expect, test } from "vitest";
import type { Job } from "../../client/job.ts";
import { createMemoryStore } from "../../src/controller/state-store/memory-store.ts";
import { MayflyError } from "../../src/errors.ts";
import { createMemoryObjects, type MemoryObjects } from "../support/memory-objects.ts";
import { createInProcessProvisioner, startSleepingFleet } from "../support/sleeping-fleet.ts";
import { until } from "../support/until.ts";

const code = { d: 1, p: 1 };
const text = async (job: Job, key: string): Promise<string> => Buffer.from(await job.get(key)).toString();
const namesWith = ({ objects }: MemoryObjects, part: string): string[] =>
  [...objects.keys()].filter((name) => name.includes(part));

test("the first read wakes a fleet that sleeps, with all kinds of cells as they were", async () => {
  const objects = createMemoryObjects();
  const fleet = await startSleepingFleet({ nodes: 3, objects });
  const job = await fleet.begin({ code });
  const names = Array.from({ length: 200 }, (_, i) => `small-${i}`);
  const refs = await Promise.all(names.map((name) => job.put(name, Buffer.from(name.repeat(20)))));
  await job.put("brief", Buffer.from("x"), { ttlMs: 1 });
  await job.put("lasting", Buffer.from("y"), { ttlMs: 3_600_000 });
  expect(await job.counter("count").add(41)).toBe(41);
  const channel = job.channel("box");
  await channel.send(Buffer.from("first"), { id: "m1" });
  await channel.send(Buffer.from("second"), { id: "m2" });
  const results = job.results("fan-in");
  await results.put("task-1", Buffer.from("done"));
  await job.delete(names[7]!);

  await fleet.sleep();
  expect(fleet.nodes.size).toBe(0);
  expect(fleet.controller.state.map.nodes).toEqual([]);
  expect(namesWith(objects, "/sleep/")).toHaveLength(3);
  const { jobs } = await fleet.client.status();
  expect(jobs.map(({ state }) => state)).toEqual(["alive"]);

  for (const [i, name] of names.entries()) {
    if (i === 7) continue;
    expect(await text(job, name)).toBe(name.repeat(20));
  }
  await expect(job.get(names[7]!)).rejects.toMatchObject({ code: "NOT_FOUND" });
  await expect(job.get("brief")).rejects.toMatchObject({ code: "EXPIRED" });
  expect(await text(job, "lasting")).toBe("y");
  expect(await job.counter("count").add(1)).toBe(42);
  await channel.send(Buffer.from("again"), { id: "m1" });
  await channel.send(Buffer.from("third"), { id: "m3" });
  const received: string[] = [];
  for await (const message of channel.receive({ timeoutMs: 10_000 })) {
    received.push(Buffer.from(message.data).toString());
    await message.ack();
    if (received.length === 3) break;
  }
  expect(received).toEqual(["first", "second", "third"]);
  const ids: string[] = [];
  for await (const { id } of results.first(1, { timeoutMs: 10_000 })) ids.push(id);
  expect(ids).toEqual(["task-1"]);
  // A version is of the key's last change, however often the fleet slept since; the next one is another.
  const before = refs[0]!.version!;
  const after = await job.put(names[0]!, Buffer.from("new"), { ifVersion: before });
  expect(after.version).not.toBe(before);

  await fleet.until("awake");
  expect(fleet.nodes.size).toBe(3);
  await until(
    "what it slept with is gone from the object store",
    () => namesWith(objects, "/sleep/").length === 0,
  );
  await fleet.sleep();
  expect(await text(job, names[0]!)).toBe("new");
  const last = await job.put(names[0]!, Buffer.from("last"), { ifVersion: after.version! });
  expect([before, after.version]).not.toContain(last.version);
});

test("a fleet that is used stays awake, and loses nothing", async () => {
  const objects = createMemoryObjects();
  const fleet = await startSleepingFleet({ nodes: 3, objects });
  const job = await fleet.begin({ code });
  await fleet.sleep();
  await job.put("key", Buffer.from("0"));
  await fleet.until("awake");
  // It gets as far as the cells of two nodes.
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let isHeld = false;
  objects.before = async (operation, name) => {
    if (operation !== "put" || !name.includes("/sleep/") || isHeld) return;
    isHeld = true;
    await held;
  };
  await fleet.client.hibernate();
  await until("cells are being stored", () => isHeld);
  const written = job.put("key", Buffer.from("1"));
  await fleet.until("awake");
  release();
  await written;
  expect(await text(job, "key")).toBe("1");
  const { hibernation } = await fleet.client.status();
  expect(hibernation?.reasons.join()).toMatch(/job 1 is used/);
  await fleet.sleep();
  expect(await text(job, "key")).toBe("1");
});

test("a fleet that nobody uses sleeps by itself, a job's lease does not run meanwhile, and a new job wakes it", async () => {
  const objects = createMemoryObjects();
  const fleet = await startSleepingFleet({ nodes: 2, objects, hibernateAfterMs: 1000 });
  const { job: created } = await fleet.client.createJob({ code, leaseMs: 1500, graceMs: 0 });
  await fleet.until("asleep");
  const sleptAt = performance.now();
  await until("it has slept for longer than the lease", () => performance.now() - sleptAt > 2000);
  const [job] = await fleet.client.jobs();
  expect(job).toMatchObject({ job: created.job, state: "alive" });
  const next = await fleet.client.createJob({ code });
  expect(next.job.job).toBe(created.job + 1);
  expect((await fleet.client.hibernationProgress()).stage).toBe("awake");
});

test("objects that are in memory only go to the object store before the fleet sleeps, and are read from there", async () => {
  const objects = createMemoryObjects();
  const fleet = await startSleepingFleet({ nodes: 3, objects });
  const job = await fleet.begin({ code });
  const names = Array.from({ length: 12 }, (_, i) => `large-${i}`);
  const bytesOf = (name: string): Buffer => Buffer.alloc(300_000, name);
  const refs = await Promise.all(names.map((name) => job.put(name, bytesOf(name))));
  await job.put("twice", bytesOf("twice"), { durable: true });
  await fleet.sleep();
  expect(namesWith(objects, "/spill/").length).toBeGreaterThan(0);
  // A ref that names nodes which are gone finds its object by its key.
  expect(Buffer.compare(await job.get(refs[0]!), bytesOf(names[0]!))).toBe(0);
  for (const name of [...names, "twice"]) expect(Buffer.compare(await job.get(name), bytesOf(name))).toBe(0);
  await fleet.until("awake");
  await job.put(names[1]!, bytesOf("new"));
  await job.delete(names[2]!);
  await fleet.sleep();
  expect(Buffer.compare(await job.get(names[1]!), bytesOf("new"))).toBe(0);
  await expect(job.get(names[2]!)).rejects.toMatchObject({ code: "NOT_FOUND" });
  expect(Buffer.compare(await job.get(names[3]!), bytesOf(names[3]!))).toBe(0);
});

test("with objects that cannot go to the object store the fleet does not sleep, and says why", async () => {
  const objects = createMemoryObjects();
  const fleet = await startSleepingFleet({ nodes: 2, objects, deadAfterMs: 400 });
  const job = await fleet.begin({ code });
  await job.put("large", Buffer.alloc(100_000, 7));
  objects.before = (operation, name) => {
    if (operation === "put" && name.includes("/spill/"))
      throw new MayflyError("STORE_UNAVAILABLE", "the store answers 503");
  };
  await fleet.client.hibernate();
  await until("it waits", async () => {
    const { stage, reasons } = await fleet.client.hibernationProgress();
    return stage === "spilling" && reasons.join().includes("1 objects (100000 bytes) are in memory only");
  });
  await fleet.until("awake");
  expect((await fleet.client.hibernationProgress()).reasons.join()).toMatch(/the store answers 503/);
  expect(await job.get("large")).toHaveLength(100_000);
});

test("an object store that fails keeps the fleet awake, which says why", async () => {
  const objects = createMemoryObjects();
  const fleet = await startSleepingFleet({ nodes: 2, objects, deadAfterMs: 400 });
  const job = await fleet.begin({ code });
  await job.put("key", Buffer.from("kept"));
  objects.before = (operation, name) => {
    if (operation === "put" && name.includes("/sleep/"))
      throw new MayflyError("STORE_UNAVAILABLE", "the store answers 503");
  };
  await fleet.client.hibernate();
  await fleet.until("storing");
  await fleet.until("awake");
  const { hibernation } = await fleet.client.status();
  expect(hibernation?.reasons.join()).toMatch(/the store answers 503/);
  expect(fleet.nodes.size).toBe(2);
  await job.put("key", Buffer.from("changed"));
  expect(await text(job, "key")).toBe("changed");
});

test("a node that dies while cells are stored keeps the fleet awake, with what it had", async () => {
  const objects = createMemoryObjects();
  const fleet = await startSleepingFleet({ nodes: 3, objects });
  const job = await fleet.begin({ code });
  const names = Array.from({ length: 50 }, (_, i) => `key-${i}`);
  await Promise.all(names.map((name) => job.put(name, Buffer.from(name))));
  const victim = [...fleet.nodes.keys()][0]!;
  const never = new Promise<void>(() => undefined);
  let isHeld = false;
  objects.before = (operation, name) => {
    if (operation !== "put" || !name.endsWith(`/node-${victim}`)) return;
    isHeld = true;
    return never;
  };
  await fleet.client.hibernate();
  await until("its cells are being stored", () => isHeld);
  fleet.kill(victim);
  await fleet.until("awake");
  for (const name of names) expect(await text(job, name)).toBe(name);
  await job.put(names[0]!, Buffer.from("new"));
  expect(await text(job, names[0]!)).toBe("new");
});

test("nodes that die while the fleet wakes are replaced, and nothing is lost", async () => {
  const objects = createMemoryObjects();
  const fleet = await startSleepingFleet({ nodes: 3, objects });
  const job = await fleet.begin({ code });
  const names = Array.from({ length: 50 }, (_, i) => `key-${i}`);
  await Promise.all(names.map((name) => job.put(name, Buffer.from(name))));
  await fleet.sleep();
  await fleet.client.wake();
  await until("the first node is there", () => fleet.nodes.size > 0);
  for (const node of [...fleet.nodes.keys()]) fleet.kill(node);
  for (const name of names) expect(await text(job, name)).toBe(name);
  await fleet.until("awake");
  await job.put(names[0]!, Buffer.from("new"));
  expect(await text(job, names[0]!)).toBe("new");
});

test("a controller on another machine goes on with a fleet that sleeps", async () => {
  const objects = createMemoryObjects();
  const first = await startSleepingFleet({ nodes: 2, objects });
  const job = await first.begin({ code });
  await job.put("key", Buffer.from("kept"));
  await first.sleep();
  const { epoch } = first.controller.state.map;
  await first.killController();

  const second = await startSleepingFleet({ nodes: 0, objects, restore: {} });
  expect((await second.client.hibernationProgress()).stage).toBe("asleep");
  expect(second.controller.state.map.epoch.term).toBeGreaterThan(epoch.term);
  const { ticket } = await second.client.newTicket(1);
  expect(await text(await second.connect(ticket), "key")).toBe("kept");
  const next = await second.client.createJob({ code });
  expect(next.job.job).toBe(2);
  expect(namesWith(objects, "fleets/")).toHaveLength(1);
});

test("a controller that ends while it stores that the fleet sleeps leaves it asleep, or awake, with everything", async () => {
  for (const restored of [false, true]) {
    const objects = createMemoryObjects();
    const provisioner = createInProcessProvisioner(objects);
    const store = createMemoryStore();
    const first = await startSleepingFleet({ nodes: 2, objects, provisioner, store });
    const job = await first.begin({ code });
    await job.put("key", Buffer.from("kept"));
    const { port } = new URL(first.controller.url);
    // Copies of the state are made of states that the controller is in, but for the one that it falls asleep with.
    const { map } = first.controller.state;
    await until("the job is in the copy of the state", () =>
      latestState(objects).includes('"jobs":[{"number":1'),
    );
    let isHeld = false;
    objects.before = async (operation, name) => {
      const isState = operation === "put" && /\/state\/\d/.test(name);
      if (!isState || namesWith(objects, "/sleep/").length < 2) return;
      isHeld = true;
      await new Promise(() => undefined);
    };
    await first.client.hibernate();
    await until("the state is being stored", () => isHeld);
    void first.killController();
    await until("the controller has ended", async () => {
      const answer = await first.client.status().catch((error: MayflyError) => error.code);
      return answer === "CONTROLLER_UNREACHABLE";
    });
    objects.before = () => undefined;

    const from = restored ? { restore: {} } : { store };
    const second = await startSleepingFleet({ nodes: 0, objects, provisioner, port: Number(port), ...from });
    expect(second.controller.state.map.epoch.term).toBeGreaterThan(map.epoch.term);
    await second.until(restored ? "awake" : "asleep");
    expect(await text(job, "key")).toBe("kept");
    await job.put("key", Buffer.from("changed"));
    expect(await text(job, "key")).toBe("changed");
    expect(second.nodes.size).toBe(2);
  }
});

function latestState({ objects }: MemoryObjects): string {
  const name = [...objects.keys()]
    .filter((name) => /\/state\/\d/.test(name))
    .sort()
    .at(-1);
  return name === undefined ? "" : Buffer.from(objects.get(name)!).toString();
}
