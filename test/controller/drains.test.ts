import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { NodeProgress, StatusReply } from "../../src/wire/control-api.ts";
import { idleHeartbeat } from "../../src/wire/control-api.ts";
import { settleRows, startFleet, type TestFleet, TestNode } from "./test-fleet.ts";

const noRelocation = idleHeartbeat.relocation;
const progress = (fleet: TestFleet, node: number): Promise<NodeProgress> =>
  fleet.ok<NodeProgress>("GET", `/v1/nodes/${node}`);

async function begin(nodes: number, code = { d: 1, p: 1 }) {
  const fleet = await startFleet({ rowCount: 24 });
  const all = await fleet.addNodes(nodes);
  await fleet.createJob({ code });
  return { fleet, all };
}

/** Everybody says what is so now. */
async function beatAll(nodes: readonly TestNode[]): Promise<void> {
  for (const node of nodes) await node.catchUp();
}

test("a node is drained when no row names it and no node has anything left on it, and then told so", async () => {
  const { fleet, all } = await begin(4);
  const [a, b, , d] = all;
  const first = await fleet.ok<NodeProgress>("POST", "/v1/nodes/4/drain", { deadlineMs: 60_000 });
  expect(first).toMatchObject({
    node: 4,
    state: "draining",
    rowsLeft: 18,
    deadlineLeftMs: 60_000,
    late: false,
  });
  expect(fleet.controller.state.map.nodes[3]).toMatchObject({ state: "draining", weight: 0 });
  await a!.beat({ relocation: { ...noRelocation, objects: 3, bytes: 300, byNode: [[4, 3]] } });
  await settleRows(fleet, all);
  await beatAll(all);
  await fleet.clock.advance(1000);
  expect(await progress(fleet, 4)).toMatchObject({
    state: "draining",
    rowsLeft: 0,
    objectsLeft: 3,
    bytesLeft: 300,
  });
  // A node that takes over a row may find more.
  await b!.beat({ rowsPending: 1 });
  await a!.beat({ relocation: { ...noRelocation, movedObjects: 3, movedBytes: 300 } });
  await fleet.clock.advance(500);
  expect(await progress(fleet, 4)).toMatchObject({ state: "draining", objectsLeft: 0 });
  await b!.beat({ rowsPending: 0 });
  await fleet.clock.advance(500);
  expect(await progress(fleet, 4)).toMatchObject({ state: "drained", rowsLeft: 0, etaMs: 0 });
  expect(await d!.beat()).toEqual({ drained: true });
  expect((await d!.watch(30_000)).body).toEqual({ drained: true });
  expect((await fleet.call("POST", "/v1/nodes/4/leave")).status).toBe(200);
  expect(await fleet.ok("POST", "/v1/nodes/4/drain")).toMatchObject({ state: "drained" });
  expect(fleet.controller.state.map.nodes.map((node) => node.id)).toEqual([1, 2, 3]);
  expect(fleet.controller.state.jobs[0]!.nodesLost).toBe(0);
});

test("a report of before the drain, or of before the rows changed, does not count", async () => {
  const { fleet, all } = await begin(3);
  await beatAll(all);
  await fleet.ok("POST", "/v1/nodes/3/drain");
  // One of them has not been heard of with the map of now.
  for (const node of all.slice(0, 2)) await node.catchUp();
  await fleet.clock.advance(500);
  expect(await progress(fleet, 3)).toMatchObject({ state: "draining", rowsLeft: 0 });
  await all[2]!.catchUp();
  await fleet.clock.advance(500);
  expect(await progress(fleet, 3)).toMatchObject({ state: "drained" });
});

test("a drain is refused when the others would be too few for a job, or have no room", async () => {
  const { fleet, all } = await begin(3, { d: 2, p: 1 });
  const refused = await fleet.call("POST", "/v1/nodes/3/drain");
  expect(refused).toMatchObject({ status: 503, body: { code: "NOT_ENOUGH_NODES" } });
  expect(refused.body).toMatchObject({
    message: expect.stringMatching(
      /2 active nodes would remain and 3 are needed \(job 1 "job-1" \(2\+1\).*start 1 more/,
    ),
  });
  const late = await fleet.addNode();
  for (const node of [...all, late]) await node.beat({ usedBytes: 800_000 });
  expect(await fleet.call("POST", "/v1/nodes/3/drain")).toMatchObject({
    body: {
      code: "NOT_ENOUGH_NODES",
      message: expect.stringMatching(/holds 3200000 bytes .* room for 2910000/),
    },
  });
  await all[0]!.beat({ usedBytes: 100_000 });
  expect(await fleet.ok("POST", "/v1/nodes/3/drain")).toMatchObject({ state: "draining" });
  expect(await fleet.call("POST", "/v1/nodes/2/drain")).toMatchObject({ body: { code: "NOT_ENOUGH_NODES" } });
  expect(await fleet.call("POST", "/v1/nodes/9/drain")).toMatchObject({ body: { code: "NODE_UNKNOWN" } });
  await fleet.ok("DELETE", "/v1/jobs/1");
  for (const node of [...all, late]) await node.beat({ usedBytes: 0 });
  await fleet.ok("POST", "/v1/nodes/2/drain");
  await fleet.ok("POST", "/v1/nodes/1/drain");
  expect(await fleet.call("POST", "/v1/nodes/4/drain")).toMatchObject({
    body: { message: expect.stringContaining("0 active nodes would remain and 1 are needed") },
  });
});

test("a drain that is cancelled leaves a node like the others; one that is late says so and goes on", async () => {
  const { fleet, all } = await begin(4);
  await fleet.ok("POST", "/v1/nodes/4/drain", { deadlineMs: 1000 });
  await settleRows(fleet, all);
  await all[0]!.beat({ relocation: { ...noRelocation, objects: 1, bytes: 9, byNode: [[4, 1]] } });
  await fleet.clock.advance(1000);
  expect(await progress(fleet, 4)).toMatchObject({ state: "draining", deadlineLeftMs: 0, late: true });
  expect(await fleet.ok("POST", "/v1/nodes/4/drain", { deadlineMs: 9000 })).toMatchObject({ late: false });
  expect(await fleet.ok("POST", "/v1/nodes/4/drain/cancel")).toMatchObject({ state: "active" });
  await settleRows(fleet, all);
  expect((await progress(fleet, 4)).rowsLeft).toBe(18);
  expect(fleet.controller.state.map.nodes[3]).toMatchObject({ state: "active", weight: 100 });
});

test("a restarted controller goes on draining, and still knows who was drained", async () => {
  const stateDir = mkdtempSync(join(tmpdir(), "mayfly-drain-"));
  onTestFinished(() => rmSync(stateDir, { recursive: true, force: true }));
  const before = await startFleet({ rowCount: 24, stateDir });
  const all = await before.addNodes(4);
  await before.createJob({ code: { d: 1, p: 1 } });
  await before.ok("POST", "/v1/nodes/4/drain", { deadlineMs: 60_000 });
  const after = await startFleet({ rowCount: 24, stateDir });
  const moved = all.map((node) => {
    const twin = new TestNode(after, node.registered);
    return Object.assign(twin, { map: node.map, jobs: node.jobs });
  });
  expect(await progress(after, 4)).toMatchObject({ state: "draining", deadlineLeftMs: expect.any(Number) });
  for (const node of moved) await node.catchUp();
  await settleRows(after, moved);
  for (const node of moved) if (node.id !== 4) await node.catchUp();
  for (let i = 0; i < 20 && (await progress(after, 4)).state !== "drained"; i++) {
    await moved[3]!.beat();
    await after.clock.advance(500);
    for (const node of moved.slice(0, 3)) await node.beat();
  }
  expect(await progress(after, 4)).toMatchObject({ state: "drained" });
  const last = await startFleet({ rowCount: 24, stateDir });
  expect(await new TestNode(last, all[3]!.registered).beat()).toEqual({ drained: true });
});

test("status adds up what has to be moved, and how fast it goes", async () => {
  const { fleet, all } = await begin(3);
  const report = (moved: number) => ({
    ...{ ...noRelocation, objects: 4, bytes: 4000, atRisk: 1, movedObjects: moved, movedBytes: moved * 1000 },
    byNode: [[3, 4]] as const,
  });
  await all[0]!.beat({ relocation: report(0) });
  await all[1]!.beat({ relocation: report(0), rowsPending: 2 });
  await fleet.clock.advance(500);
  await all[0]!.beat({ relocation: report(1) });
  await all[1]!.beat({ relocation: report(1) });
  const { relocation, rows, nodes } = await fleet.ok<StatusReply>("GET", "/v1/status");
  expect(relocation).toEqual({
    ...{ objects: 8, bytes: 8000, atRisk: 2, movedObjects: 2, movedBytes: 2000, lostObjects: 0 },
    ...{ bytesPerSecond: 4000, etaMs: 2000 },
  });
  expect(rows).toMatchObject({ pending: 2 });
  expect(nodes.map((node) => node.objectsLeft)).toEqual([0, 0, 8]);
  expect(nodes.map((node) => node.rows)).toEqual([24, 24, 24]);
});
