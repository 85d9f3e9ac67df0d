import { expect, test } from "vitest";
import { createController } from "../../src/controller/controller.ts";
import type { ControllerOptions } from "../../src/controller/options.ts";
import type { ProvisionedNode } from "../../src/controller/provisioners/provisioner.ts";
import { createMemoryStore } from "../../src/controller/state-store/memory-store.ts";
import type { RestartProgress, ScaleProgress } from "../../src/wire/control-api.ts";
import { Machines } from "./machines.ts";
import { startFleet } from "./test-fleet.ts";

async function begin(count: number, options: ControllerOptions = {}, machines = new Machines()) {
  const fleet = await startFleet({ rowCount: 12, ...options }, machines);
  machines.fleet = fleet;
  machines.nodes.push(...(await fleet.addNodes(count)));
  const scale = () => fleet.ok<ScaleProgress>("GET", "/v1/scale");
  const restart = () => fleet.ok<RestartProgress>("GET", "/v1/restart");
  const ids = () => fleet.controller.state.map.nodes.map((node) => node.id);
  return { fleet, machines, scale, restart, ids };
}

test("a fleet grows to the size that was asked for, and its new nodes are like the others", async () => {
  const { fleet, machines, scale, ids } = await begin(3);
  await fleet.createJob({ code: { d: 1, p: 1 } });
  const first = await fleet.ok<ScaleProgress>("POST", "/v1/scale", { nodes: 5 });
  expect(first).toMatchObject({ desired: 5, active: 3, done: false, blocked: false });
  await machines.until("it has grown", async () => (await scale()).done);
  expect(await scale()).toMatchObject({ active: 5, starting: 0, draining: 0, rowsMoving: 0, reasons: [] });
  expect(ids()).toEqual([1, 2, 3, 4, 5]);
  expect(machines.specs.map((spec) => spec.memoryBytes)).toEqual([1_000_000, 1_000_000]);
  expect(machines.specs[0]!.controllerUrl).toBe(fleet.controller.url);
});

test("a fleet shrinks to it, the emptiest first, and of equals the youngest; nothing counts as lost", async () => {
  const { fleet, machines, scale, ids } = await begin(5);
  await fleet.createJob({ code: { d: 1, p: 1 } });
  await machines.nodes[4]!.beat({ usedBytes: 300_000 });
  await machines.nodes[1]!.beat({ usedBytes: 1 });
  await fleet.ok("POST", "/v1/scale", { nodes: 3 });
  await machines.until("it has shrunk", async () => (await scale()).done);
  expect(ids()).toEqual([1, 2, 5]);
  expect(fleet.controller.state.jobs[0]!.nodesLost).toBe(0);
});

test("it stops at what the jobs need, says so, and goes on when they have ended", async () => {
  const { fleet, machines, scale, ids } = await begin(5);
  await fleet.createJob({ code: { d: 3, p: 1 } });
  await fleet.ok("POST", "/v1/scale", { nodes: 2 });
  await machines.until("it is blocked", async () => (await scale()).blocked);
  expect(await scale()).toMatchObject({ desired: 2, active: 4, done: false });
  expect((await scale()).reasons.join()).toMatch(
    /node 4 cannot go: 3 active nodes would remain and 4 are needed/,
  );
  await fleet.ok("DELETE", "/v1/jobs/1");
  await machines.until("it has shrunk", async () => (await scale()).done);
  expect(ids()).toEqual([1, 2]);
});

test("a node that does not start is told so and tried again, later each time", async () => {
  const { fleet, machines, scale } = await begin(1);
  machines.failures = 2;
  await fleet.ok("POST", "/v1/scale", { nodes: 2 });
  await machines.until("it failed", async () => (await scale()).reasons.length > 0);
  expect((await scale()).reasons).toEqual([
    "a node did not start: no machine is free; the next attempt is in 1 s",
  ]);
  const startMs = fleet.clock.now();
  await machines.until("it has grown", async () => (await scale()).done);
  expect(fleet.clock.now() - startMs).toBeGreaterThanOrEqual(2900);
  expect(machines.specs).toHaveLength(3);
});

test("no more than eight start at a time", async () => {
  class Slow extends Machines {
    override async start(): Promise<ProvisionedNode> {
      return await new Promise(() => {});
    }
  }
  const { fleet, machines, scale } = await begin(1, {}, new Slow());
  await fleet.ok("POST", "/v1/scale", { nodes: 40 });
  for (let i = 0; i < 5; i++) await machines.round();
  expect(await scale()).toMatchObject({ starting: 8, done: false });
});

test("a node that dies is replaced when somebody said how many there should be, and only then", async () => {
  const { fleet, machines, scale, ids } = await begin(3);
  await fleet.ok("POST", "/v1/nodes/3/leave");
  machines.end(machines.nodes[2]!);
  for (let i = 0; i < 10; i++) await machines.round();
  expect(ids()).toEqual([1, 2]);
  await fleet.ok("POST", "/v1/scale", { nodes: 2 });
  await fleet.ok("POST", "/v1/nodes/2/leave");
  machines.end(machines.nodes[1]!);
  await machines.until("it is replaced", async () => (await scale()).done);
  expect(ids()).toEqual([1, 4]);
});

test("a node whose process has ended is found out without a missing heartbeat", async () => {
  const ended = new Set<number>();
  const probe = async ({ port }: { port: number }) =>
    (ended.has(port) ? "refused" : "answers") as "refused" | "answers";
  const { fleet, machines, ids } = await begin(1, { probe });
  await fleet.controller.provisioner.start({ controllerUrl: "", memoryBytes: 1 });
  expect(ids()).toEqual([1, 2]);
  await fleet.clock.advance(1);
  ended.add(7402);
  machines.end(machines.nodes[1]!);
  for (let i = 0; i < 3; i++) await fleet.call("GET", "/v1/health");
  expect(ids()).toEqual([1]);
});

test("a rolling restart replaces every node, one at a time, and loses nothing", async () => {
  const { fleet, machines, restart, ids } = await begin(3);
  await fleet.createJob({ code: { d: 2, p: 1 } });
  expect(await fleet.ok("POST", "/v1/restart")).toMatchObject({ total: 3, left: [1, 2, 3], done: false });
  let fewest = 99;
  let most = 0;
  await machines.until("all are replaced", async () => {
    const active = fleet.controller.state.map.nodes.filter((node) => node.state === "active").length;
    [fewest, most] = [Math.min(fewest, active), Math.max(most, active)];
    return (await restart()).done;
  });
  expect(ids()).toEqual([4, 5, 6]);
  expect([fewest, most]).toEqual([3, 4]);
  expect(fleet.controller.state.jobs[0]!.nodesLost).toBe(0);
  expect(
    fleet.controller.state.map.rows.every((row) => row.born === fleet.controller.state.map.rows[0]!.born),
  ).toBe(true);
});

test("a restarted controller goes on with a rolling restart", async () => {
  const store = createMemoryStore();
  const { fleet, machines } = await begin(2, { store });
  await fleet.ok("POST", "/v1/restart");
  await machines.until("the first is replaced", () => fleet.controller.state.replacing.left.length === 1);
  await fleet.controller.close();
  const second = new Machines();
  const after = await startFleet({ rowCount: 12, store }, second);
  expect(await after.ok("GET", "/v1/restart")).toMatchObject({ total: 2, left: [2], done: false });
});

class ByHand extends Machines {
  override readonly startsNodes = false;
}

test("where nodes are started by hand, more of them are asked for and fewer are not", async () => {
  const { fleet, machines, scale, ids } = await begin(3, {}, new ByHand());
  expect(await fleet.call("POST", "/v1/scale", { nodes: 4 })).toMatchObject({
    status: 400,
    body: {
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(/3 of 4 are active.*mayfly node --controller http:.* --memory 1000000/),
    },
  });
  await fleet.ok("POST", "/v1/scale", { nodes: 2 });
  await machines.until("it has shrunk", async () => (await scale()).done);
  expect(ids()).toEqual([1, 2]);
});

test("a rolling restart by hand waits for each new node, and says what to type", async () => {
  const { fleet, machines, restart, ids } = await begin(2, {}, new ByHand());
  await fleet.createJob({ code: { d: 1, p: 1 } });
  await fleet.ok("POST", "/v1/restart");
  for (let i = 0; i < 10; i++) await machines.round();
  expect((await restart()).reasons.join()).toMatch(
    /node 1 cannot go: 1 active node would remain and 2 are needed/,
  );
  machines.nodes.push(await fleet.addNode());
  await machines.until("the first is gone", () => fleet.controller.state.replacing.left.length === 1);
  expect((await restart()).reasons.join()).toMatch(/node 2 cannot go/);
  machines.nodes.push(await fleet.addNode());
  await machines.until("all are replaced", async () => (await restart()).done);
  expect(ids()).toEqual([3, 4]);
});

test("sizes that are none, and tokens of jobs, are refused", async () => {
  const { fleet } = await begin(1);
  for (const nodes of [0, 4097, 1.5]) {
    expect((await fleet.call("POST", "/v1/scale", { nodes })).status).toBe(400);
  }
  const { token } = await fleet.createJob();
  for (const path of ["/v1/scale", "/v1/restart"]) {
    const answer = await fleet.call("POST", path, path === "/v1/scale" ? { nodes: 2 } : {}, token);
    expect(answer).toMatchObject({ status: 403, body: { code: "FORBIDDEN" } });
  }
  await expect(
    createController({ port: 0 }).provisioner.start({ controllerUrl: "x", memoryBytes: 1 }),
  ).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});
