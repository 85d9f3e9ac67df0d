import { expect, test } from "vitest";
import type { JobInfo, StatusReply } from "../../src/wire/control-api.ts";
import { live, startFleet, type TestFleet } from "./test-fleet.ts";

const stateOf = async (fleet: TestFleet, job: number): Promise<string> =>
  (await fleet.ok<JobInfo>("GET", `/v1/jobs/${job}`)).state;

const silentUntilDead = 2500;

test("a silent node is declared dead, and while no job is alive its rows go to the others", async () => {
  const fleet = await startFleet();
  const [a, b, c] = await fleet.addNodes(3);
  await live(fleet, [a!, b!], 1500);
  expect(fleet.controller.state.map.nodes).toHaveLength(3);
  await live(fleet, [a!, b!], 1000);
  expect(a!.map.nodes.map((node) => node.id)).toEqual([a!.id, b!.id]);
  expect(a!.map.rows.every((row) => row.nodes.length === 2)).toBe(true);
  expect(await c!.tryBeat()).toMatchObject({ status: 404, body: { code: "NODE_UNKNOWN" } });
  expect(fleet.log.join("\n")).toMatch(/node 3 is declared dead: silent for 2\d\d\d ms/);
});

test("with a job alive a dead node leaves the rows that it backs, and stays in those that it leads", async () => {
  const fleet = await startFleet();
  const [a, b, c] = await fleet.addNodes(4);
  const dead = 4;
  await fleet.createJob();
  const before = fleet.controller.state.map.rows;
  await live(fleet, [a!, b!, c!], silentUntilDead);
  const { map } = fleet.controller.state;
  expect(map.nodes[3]).toMatchObject({ id: dead, state: "dead", weight: 0 });
  for (const [group, row] of map.rows.entries()) {
    const was = before[group]!;
    if (was.nodes[0] === dead || !was.nodes.includes(map.nodes[3]!.id)) expect(row).toEqual(was);
    else {
      expect(row.nodes).toEqual(was.nodes.filter((id) => id !== dead));
      expect(row.generation).toBe(was.generation + 1);
    }
  }
  const status = await fleet.ok<StatusReply>("GET", "/v1/status");
  expect(status.rows).toEqual({ total: 1024, full: 256, degraded: 512, withoutPrimary: 256 });
  expect(status.survives[0]).toContain("256 of 1024 rows have lost their primary");
  expect(status.nodes[3]).toMatchObject({ id: 4, state: "dead", weight: 0 });
  await fleet.ok("DELETE", "/v1/jobs/1");
  expect(fleet.controller.state.map.nodes.map((node) => node.id)).toEqual([1, 2, 3]);
  expect((await fleet.ok<StatusReply>("GET", "/v1/status")).rows.full).toBe(1024);
});

test("a dead node that no row names is off the map at once", async () => {
  const fleet = await startFleet();
  const [a] = await fleet.addNodes(1);
  await fleet.createJob();
  await fleet.addNode();
  expect(fleet.controller.state.map.nodes).toHaveLength(2);
  await live(fleet, [a!], silentUntilDead);
  expect(fleet.controller.state.map.nodes.map((node) => node.id)).toEqual([1]);
});

test("a job goes from alive to grace to ended, and any use of it renews the lease, from grace too", async () => {
  const fleet = await startFleet();
  const nodes = await fleet.addNodes(1);
  const { token } = await fleet.createJob({ leaseMs: 3000, graceMs: 2000 });
  const { token: other } = await fleet.createJob({ leaseMs: 3000, graceMs: 2000 });
  await live(fleet, nodes, 2500);
  expect(await stateOf(fleet, 1)).toBe("alive");
  await live(fleet, nodes, 500);
  expect(await stateOf(fleet, 1)).toBe("grace");
  await fleet.ok("GET", "/v1/ticket", undefined, token);
  expect(await stateOf(fleet, 1)).toBe("alive");
  await live(fleet, nodes, 2500);
  expect(await stateOf(fleet, 2)).toBe("ended");
  expect((await fleet.call("GET", "/v1/ticket", undefined, other)).status).toBe(410);
  expect(nodes[0]!.jobs).toMatchObject({ highest: 2, jobs: [{ job: 1 }] });
  // What a node saw of it counts, and so does extending it.
  await nodes[0]!.beat({ activeJobs: [1, 2, 99] });
  await live(fleet, nodes, 6000);
  expect(await stateOf(fleet, 1)).toBe("alive");
  await nodes[0]!.beat({ activeJobs: [] });
  await live(fleet, nodes, 4000);
  expect(await stateOf(fleet, 1)).toBe("grace");
  expect(await fleet.ok("POST", "/v1/jobs/1/extend")).toMatchObject({ state: "alive", leaseLeftMs: 3000 });
  const longer = await fleet.ok("POST", "/v1/jobs/1/extend", { leaseMs: 60_000 });
  expect(longer).toMatchObject({ leaseMs: 60_000, leaseLeftMs: 60_000 });
  await live(fleet, nodes, 30_000);
  expect(await stateOf(fleet, 1)).toBe("alive");
});

test("looking at a job does not keep it alive", async () => {
  const fleet = await startFleet();
  const nodes = await fleet.addNodes(1);
  await fleet.createJob({ leaseMs: 1000, graceMs: 0 });
  for (let i = 0; i < 4; i++) {
    await live(fleet, nodes, 500);
    await fleet.ok("GET", "/v1/jobs/1");
    await fleet.ok("GET", "/v1/jobs");
  }
  expect(await stateOf(fleet, 1)).toBe("ended");
});

test("a node that fills up takes fewer shards, then none, and no epoch is made for jitter", async () => {
  const fleet = await startFleet();
  const [a, b] = await fleet.addNodes(2);
  await fleet.createJob();
  const fill = async (ratio: number): Promise<[number, number]> => {
    await a!.beat({ usedBytes: ratio * 1_000_000 });
    await live(fleet, [a!, b!], 500);
    const { nodes, epoch } = fleet.controller.state.map;
    return [nodes[0]!.weight, epoch.n];
  };
  const [full, n] = await fill(0.5);
  expect([full, await fill(0.9)]).toEqual([100, [100, n]]);
  expect(await fill(0.91)).toEqual([10, n + 1]);
  expect(await fill(0.89)).toEqual([10, n + 1]);
  expect(await fill(0.92)).toEqual([10, n + 1]);
  expect(await fill(0.98)).toEqual([0, n + 2]);
  expect(await fill(0.95)).toEqual([0, n + 2]);
  expect(await fill(0.93)).toEqual([10, n + 3]);
  expect(await fill(0.84)).toEqual([100, n + 4]);
  expect(fleet.controller.state.map.nodes[1]!.weight).toBe(100);
});

test("nobody dies and no lease lapses because the controller itself stood still", async () => {
  const fleet = await startFleet();
  const nodes = await fleet.addNodes(2);
  await fleet.createJob({ leaseMs: 3000, graceMs: 0 });
  fleet.clock.freeze(60_000);
  await fleet.clock.advance(500);
  await live(fleet, nodes, 1000);
  expect(fleet.controller.state.map.nodes.every((node) => node.state === "active")).toBe(true);
  expect(await stateOf(fleet, 1)).toBe("alive");
});
