import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createController } from "../../src/controller/controller.ts";
import type { ControllerOptions } from "../../src/controller/options.ts";
import { createMemoryStore } from "../../src/controller/state-store/memory-store.ts";
import { compareEpochs } from "../../src/placement/epoch.ts";
import type { JobInfo, StatusReply } from "../../src/wire/control-api.ts";
import { until } from "../support/until.ts";
import { FakeClock } from "./fake-clock.ts";
import { fleetOf, live, startFleet, type TestFleet, TestNode } from "./test-fleet.ts";

function temporaryDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "mayfly-controller-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** The same node, now talking to another controller. */
const moveTo = (fleet: TestFleet, node: TestNode): TestNode => {
  const moved = new TestNode(fleet, node.registered);
  moved.map = node.map;
  moved.jobs = node.jobs;
  return moved;
};

test("a controller that was killed is followed by one that goes on: epochs, nodes, jobs, keys", async () => {
  const stateDir = temporaryDir();
  const before = await startFleet({ stateDir });
  const nodes = await before.addNodes(3);
  const { token } = await before.createJob({ name: "sort", quotaBytes: 77, hints: { functions: 3 } });
  await before.createJob();
  await before.ok("DELETE", "/v1/jobs/2");
  await nodes[0]!.beat();
  const old = before.controller.state;

  // Nothing is closed: the old one is just no longer asked.
  const after = await startFleet({ stateDir });
  const now = after.controller.state;
  expect(now.map.nodes).toEqual(old.map.nodes);
  expect(now.map.rows).toEqual(old.map.rows);
  expect(now.jobs).toEqual(old.jobs);
  expect(now.ended).toEqual(old.ended);
  expect(now.map.epoch.term).toBeGreaterThan(old.map.epoch.term);
  expect((await after.ok<{ job: JobInfo }>("GET", "/v1/ticket", undefined, token)).job).toMatchObject({
    job: 1,
    name: "sort",
    quotaBytes: 77,
    hints: { functions: 3 },
  });

  const moved = nodes.map((node) => moveTo(after, node));
  const reply = await moved[0]!.beat();
  expect(Object.keys(reply).sort()).toEqual(["jobs", "map"]);
  expect(moved[0]!.jobs.version).toBeGreaterThan(nodes[0]!.jobs.version);
  for (const node of moved) await node.catchUp();
  expect((await after.addNode({ port: 7500 })).id).toBe(4);
  expect((await after.createJob()).job.job).toBe(3);
});

test("lease and heartbeat timers begin anew with the controller", async () => {
  const stateDir = temporaryDir();
  const before = await startFleet({ stateDir });
  const nodes = await before.addNodes(2);
  await before.createJob({ leaseMs: 3000, graceMs: 0 });
  await live(before, nodes, 2500);
  const after = await startFleet({ stateDir });
  await after.clock.advance(1500);
  const moved = nodes.map((node) => moveTo(after, node));
  for (const node of moved) await node.beat();
  await after.clock.advance(1000);
  expect(await after.ok("GET", "/v1/jobs/1")).toMatchObject({ state: "alive" });
  await live(after, [moved[0]!], 4000);
  // What is due is first written to the state directory, which takes real time; time that it takes the controller counts
  // against nobody, so some more has to pass.
  await until("the job has ended", async () => {
    await live(after, [moved[0]!], 500);
    const { state } = await after.ok<{ state: string }>("GET", "/v1/jobs/1");
    return state === "ended";
  });
  const alive = (): boolean =>
    after.controller.state.map.nodes.some((node) => node.id === moved[1]!.id && node.state !== "dead");
  await until("the silent node is given up", async () => {
    await live(after, [moved[0]!], 500);
    return !alive();
  });
  expect((await moved[1]!.tryBeat()).status).toBe(404);
});

test("a controller that another has followed makes no epochs and answers that it is not in charge", async () => {
  const store = createMemoryStore();
  const old = await startFleet({ store });
  const nodes = await old.addNodes(2);
  const young = await startFleet({ store });
  const epoch = old.controller.state.map.epoch;
  const gone = { status: 503, body: { code: "UNAVAILABLE", message: expect.stringContaining("term 2") } };
  expect(await old.call("POST", "/v1/nodes", { host: "h", port: 1, memoryBytes: 1, pid: 1 })).toMatchObject(
    gone,
  );
  expect(old.controller.state.map.epoch).toEqual(epoch);
  expect(await nodes[0]!.tryBeat()).toMatchObject(gone);
  for (const path of ["/v1/map", "/v1/status", "/v1/jobs", "/v1/health"]) {
    expect(await old.call("GET", path), path).toMatchObject(gone);
  }
  expect((await young.addNode()).id).toBe(3);
});

test("a registration that comes again, however late, is no other process, to a new controller neither", async () => {
  const store = createMemoryStore();
  const old = await startFleet({ store });
  const registration = { host: "127.0.0.1", port: 7500, memoryBytes: 1_000_000, pid: 1, instance: "a" };
  const register = (fleet: typeof old, instance: string) =>
    fleet.call("POST", "/v1/nodes", { ...registration, instance });
  const both = await Promise.all([register(old, "a"), register(old, "a")]);
  expect(both.map(({ body }) => body)).toEqual([
    expect.objectContaining({ nodeId: 1 }),
    expect.objectContaining({ nodeId: 1 }),
  ]);
  const young = await startFleet({ store });
  expect((await register(young, "a")).body).toMatchObject({ nodeId: 1 });
  expect(young.controller.state.map.nodes.map(({ id }) => id)).toEqual([1]);
  // Another process at the same address is the next life, and what comes late from the one before it changes nothing.
  expect((await register(young, "b")).body).toMatchObject({ nodeId: 2 });
  expect(await register(young, "a")).toMatchObject({ status: 404, body: { code: "NODE_UNKNOWN" } });
  expect(young.controller.state.map.nodes.map(({ id }) => id)).toEqual([2]);
});

test("a controller with nothing to do notices by itself that it was followed", async () => {
  const store = createMemoryStore();
  const old = await startFleet({ store });
  await startFleet({ store });
  expect((await old.call("GET", "/v1/health")).status).toBe(200);
  await old.clock.advance(2500);
  expect((await old.call("GET", "/v1/health")).status).toBe(503);
});

test("a controller whose store forgot terms goes above what its nodes report", async () => {
  const fleet = await startFleet();
  const [a] = await fleet.addNodes(2);
  await a!.beat({ epoch: "41.7" });
  const { epoch } = fleet.controller.state.map;
  expect(compareEpochs(epoch, { term: 41, n: 7 })).toBeGreaterThan(0);
  const { version } = a!.jobs;
  a!.load = {};
  await a!.catchUp();
  expect(a!.map.epoch).toEqual(epoch);
  expect(a!.jobs.version).toBeGreaterThanOrEqual(version);
  expect(await a!.tryBeat({ epoch: "4294967295.1" })).toMatchObject({ status: 400 });
  expect((await fleet.createJob()).job.job).toBe(1);
});

test("a port that is taken is told so before anything is taken over", async () => {
  const store = createMemoryStore();
  const running = await startFleet({ store });
  const port = Number(new URL(running.controller.url).port);
  const second = createController({ port, store, clock: new FakeClock() });
  await expect(second.listen()).rejects.toMatchObject({
    code: "PORT_IN_USE",
    message: expect.stringMatching(`port ${port} .*mayfly controller --port`),
  });
  await second.close();
  await running.addNode();
  expect((await running.call("GET", "/v1/health")).status).toBe(200);
});

test("a host that is none is told so", async () => {
  const controller = createController({ host: "192.0.2.1", port: 0 });
  await expect(controller.listen()).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("options outside their limits are refused with the limit and the value", () => {
  const bad: [ControllerOptions, RegExp][] = [
    [{ deadAfterMs: 299, heartbeatMs: 100 }, /deadAfterMs is 299; .* from 300 to/],
    [{ deadAfterMs: 900 }, /deadAfterMs is 900; .* from 1000 to/],
    [{ port: 65_536 }, /port is 65536/],
    [{ backups: 16 }, /backups is 16; .* to 15/],
    [{ nodesInitial: 0 }, /nodesInitial is 0/],
    [{ heartbeatMs: 1.5 }, /heartbeatMs is 1.5/],
    [{ advertiseUrl: "here" }, /advertiseUrl "here"/],
  ];
  for (const [options, message] of bad) expect(() => createController(options)).toThrow(message);
});

test("a controller can be closed twice, and be asked for nothing in between", async () => {
  const controller = createController({ port: 0, clock: new FakeClock() });
  expect(() => controller.url).toThrow(RangeError);
  await controller.listen();
  expect(await controller.listen()).toBe(controller.url);
  await controller.close();
  await controller.close();
});

test("tickets name the URL that the controller was told to advertise", async () => {
  const clock = new FakeClock();
  const controller = createController({ port: 0, clock, advertiseUrl: "http://mayfly.internal:7400" });
  await controller.listen();
  onTestFinished(() => controller.close());
  const fleet = fleetOf(controller, clock);
  await fleet.addNodes(1);
  const { ticket } = await fleet.createJob();
  expect(Buffer.from(ticket.slice(4), "base64url").toString("latin1")).toContain(
    "http://mayfly.internal:7400",
  );
  expect((await fleet.ok<StatusReply>("GET", "/v1/status")).nodes).toHaveLength(1);
});
