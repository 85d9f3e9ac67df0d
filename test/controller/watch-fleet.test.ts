import { expect, test } from "vitest";
import type { JobInfo, StatusReply } from "../../src/wire/control-api.ts";
import { live, settleRows, startFleet, type TestFleet } from "./test-fleet.ts";

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

test("with a job alive the others take over the rows of a dead node, and it is off the map", async () => {
  const fleet = await startFleet({ rowCount: 32 });
  const [a, b, c] = await fleet.addNodes(4);
  await fleet.createJob();
  const before = fleet.controller.state.map.rows;
  await live(fleet, [a!, b!, c!], silentUntilDead);
  const { map } = fleet.controller.state;
  expect(map.nodes.map((node) => node.id)).toEqual([1, 2, 3]);
  for (const [group, row] of map.rows.entries()) {
    const was = before[group]!;
    const survivors = was.nodes.filter((id) => id !== 4);
    expect(row.born).toBe(was.born);
    if (survivors.length === 3) expect(row).toEqual(was);
    else {
      expect([...row.nodes].sort()).toEqual([...survivors].sort());
      expect(row.joining).toHaveLength(1);
      expect(row.generation).toBe(was.generation + 1);
    }
  }
  const status = await fleet.ok<StatusReply>("GET", "/v1/status");
  expect(status.rows).toMatchObject({ total: 32, full: 8, degraded: 24, withoutPrimary: 0, joining: 24 });
  expect(status.survives.at(-1)).toContain("1 node went and what they held is being made anew");
  await settleRows(fleet, [a!, b!, c!]);
  for (const node of [a!, b!, c!]) await node.catchUp();
  await fleet.clock.advance(500);
  const whole = await fleet.ok<StatusReply>("GET", "/v1/status");
  expect(whole.rows).toMatchObject({ full: 32, joining: 0, moving: 0 });
  expect(whole.survives.at(-1)).toContain("objects survive the loss of any 1 node");
});

test("rows whose nodes are all dead wait until that is certain, and are then born anew", async () => {
  const fleet = await startFleet({ rowCount: 8, backups: 0, lostAfterMs: 5000 });
  const [a, b] = await fleet.addNodes(2);
  await fleet.createJob();
  const of = (id: number) => fleet.controller.state.map.rows.filter((row) => row.nodes[0] === id).length;
  await live(fleet, [a!], silentUntilDead);
  expect([of(1), of(2)]).toEqual([4, 4]);
  expect((await fleet.ok<StatusReply>("GET", "/v1/status")).rows.withoutPrimary).toBe(4);
  await live(fleet, [a!], 5500);
  expect([of(1), of(2)]).toEqual([8, 0]);
  const born = a!.map.rows.filter((row) => row.lostJobs === 1);
  expect(born).toHaveLength(4);
  expect(born.every((row) => row.born === row.generation && row.generation > 1)).toBe(true);
  expect((await b!.tryBeat()).status).toBe(404);
});

test("a row that its primary cannot lead is led by another, and one that nobody can lead is born anew", async () => {
  const fleet = await startFleet({ rowCount: 4 });
  const nodes = await fleet.addNodes(2);
  await fleet.createJob();
  const { rows } = fleet.controller.state.map;
  const primary = nodes.find((node) => node.id === rows[0]!.nodes[0])!;
  const backup = nodes.find((node) => node !== primary)!;
  // Of another generation, or of somebody else's row, it means nothing.
  await primary.beat({ unfit: [[0, rows[0]!.generation + 1]] });
  await backup.beat({ unfit: [[0, rows[0]!.generation]] });
  await fleet.clock.advance(1);
  expect(fleet.controller.state.map.rows).toBe(rows);
  await primary.beat({ unfit: [[0, rows[0]!.generation]] });
  await fleet.clock.advance(1);
  const next = fleet.controller.state.map.rows[0]!;
  expect(next).toMatchObject({ nodes: [backup.id], joining: [primary.id], born: rows[0]!.born });
  await backup.beat({ unfit: [[0, next.generation]] });
  await fleet.clock.advance(1);
  const born = fleet.controller.state.map.rows[0]!;
  expect(born).toMatchObject({ born: next.generation + 1, lostJobs: 1, joining: [] });
  expect(born.nodes).toHaveLength(2);
});

test("reports of nodes that are ready are gathered, so that a flood of them is not a flood of maps", async () => {
  const fleet = await startFleet({ rowCount: 64 });
  const nodes = await fleet.addNodes(3);
  await fleet.createJob();
  const late = await fleet.addNode();
  for (const node of nodes) await node.beat();
  const { n } = fleet.controller.state.map.epoch;
  for (const node of nodes) await node.obey();
  expect(fleet.controller.state.map.epoch.n).toBe(n);
  await fleet.clock.advance(20);
  expect(fleet.controller.state.map.epoch.n).toBe(n + 1);
  expect(fleet.controller.state.map.rows.some((row) => row.nodes.some((id) => id === late.id))).toBe(true);
});

test("when all nodes fall silent at once it is the controller that cannot hear", async () => {
  const fleet = await startFleet();
  const nodes = await fleet.addNodes(3);
  await fleet.createJob({ leaseMs: 3000, graceMs: 0 });
  await fleet.clock.advance(60_000);
  expect(fleet.controller.state.map.nodes.every((node) => node.state === "active")).toBe(true);
  await live(fleet, nodes, 500);
  expect(await stateOf(fleet, 1)).toBe("alive");
  // As soon as one is heard of again, time counts for the others.
  await live(fleet, nodes.slice(0, 2), silentUntilDead);
  expect(fleet.controller.state.map.nodes.map((node) => node.id)).toEqual([1, 2]);
});

test("a dead node that no row names is off the map at once", async () => {
  const fleet = await startFleet({ rowCount: 4 });
  const [a] = await fleet.addNodes(1);
  await fleet.createJob();
  await fleet.addNode();
  await a!.catchUp();
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
