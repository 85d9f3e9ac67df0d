import { expect, test } from "vitest";
import { importPublicKey, verifyToken } from "../../../src/auth/token.ts";
import { decodeMap } from "../../../src/placement/map-codec.ts";
import type { RegisterNodeReply, StatusReply } from "../../../src/wire/control-api.ts";
import { createMemoryObjects } from "../../support/memory-objects.ts";
import { live, settleRows, startFleet } from "../test-fleet.ts";

test("a node that registers gets an id, a token for it, and the map with itself in it", async () => {
  const fleet = await startFleet({
    ...{ relocationBytesPerSecond: 5e7, durableUrl: "s3://bucket/prefix" },
    openObjectStore: async () => createMemoryObjects(),
  });
  const node = await fleet.addNode({ port: 9001, zone: "west" });
  expect(node.id).toBe(1);
  expect(node.registered).toMatchObject({
    heartbeatMs: 500,
    deadAfterMs: 2000,
    relocationBytesPerSecond: 5e7,
    durableUrl: "s3://bucket/prefix",
  });
  expect(node.map.nodes).toEqual([
    { id: 1, host: "127.0.0.1", port: 9001, state: "active", weight: 100, zone: "west" },
  ]);
  expect(node.map.rows.every((row) => row.nodes.join() === "1" && row.generation === 1)).toBe(true);
  const claims = verifyToken(importPublicKey(node.registered.publicKey), node.registered.fleetToken, 0);
  expect(claims).toMatchObject({ scope: "fleet", node: 1, job: 0 });
});

test("a fleet forms when its first nodes are all there, in one epoch", async () => {
  const fleet = await startFleet({ nodesInitial: 3 });
  const first = await fleet.addNode();
  const second = await fleet.addNode();
  expect(second.map.rows.every((row) => row.nodes.length === 0)).toBe(true);
  expect(await fleet.ok<StatusReply>("GET", "/v1/status")).toMatchObject({
    state: "forming",
    survives: ["cells: none yet; the fleet is forming, 2 of 3 nodes have registered"],
  });
  const third = await fleet.addNode();
  expect(third.map.rows.every((row) => row.nodes.length === 3 && row.generation === 1)).toBe(true);
  expect(third.map.epoch.n).toBe(second.map.epoch.n + 1);
  await first.beat();
  expect(first.map).toEqual(third.map);
});

test("a heartbeat brings the map and the job table only when the node's own are old", async () => {
  const fleet = await startFleet();
  const a = await fleet.addNode();
  expect(await a.beat()).toEqual({});
  const b = await fleet.addNode();
  expect(Object.keys(await a.beat())).toEqual(["map"]);
  expect(a.map).toEqual(b.map);
  await a.beat();
  await fleet.createJob({ quotaBytes: 5000 });
  expect(Object.keys(await a.beat())).toEqual(["jobs"]);
  expect(a.jobs).toMatchObject({ highest: 1, jobs: [{ job: 1, quotaBytes: 5000, overQuota: false }] });
  expect(await a.beat()).toEqual({});
});

test("a node that left, never was, or shows another fleet's token is unknown", async () => {
  const fleet = await startFleet();
  const [a, b] = await fleet.addNodes(2);
  expect((await fleet.call("POST", `/v1/nodes/${a!.id}/leave`)).status).toBe(200);
  const unknown = { status: 404, body: { code: "NODE_UNKNOWN" } };
  expect(await a!.tryBeat()).toMatchObject(unknown);
  expect(await fleet.call("POST", "/v1/nodes/99/leave")).toMatchObject(unknown);
  const other = await (await startFleet()).addNode();
  const stolen = await fleet.call("POST", `/v1/nodes/${b!.id}/leave`, {}, other.registered.fleetToken);
  expect(stolen).toMatchObject(unknown);
  const notMine = await fleet.call("POST", `/v1/nodes/${b!.id}/leave`, {}, a!.registered.fleetToken);
  expect(notMine).toMatchObject(unknown);
  await b!.beat();
  expect(b!.map.nodes.map((node) => node.id)).toEqual([2]);
});

test("an epoch of this term that was never made betrays a node of another life", async () => {
  const fleet = await startFleet();
  const node = await fleet.addNode();
  const { term, n } = node.map.epoch;
  expect(await node.tryBeat({ epoch: `${term}.${n + 1}` })).toMatchObject({ body: { code: "NODE_UNKNOWN" } });
});

test("a process that took over an address is a new node, and the one before it is dead at once", async () => {
  const fleet = await startFleet();
  const before = await fleet.addNode({ port: 9001 });
  const after = await fleet.addNode({ port: 9001 });
  expect(after.id).toBe(before.id + 1);
  expect(after.map.nodes.map((node) => node.id)).toEqual([after.id]);
  expect((await before.tryBeat()).status).toBe(404);
});

test("while no job is alive rows follow the nodes at once; afterwards nodes that join get them step by step", async () => {
  const fleet = await startFleet({ rowCount: 24, joiningRowsMax: 4 });
  const nodes = await fleet.addNodes(3);
  await fleet.createJob();
  const late = await fleet.addNode();
  const joins = late.map.rows.filter((row) => row.joining.some((id) => id === late.id));
  expect(joins).toHaveLength(4);
  expect(late.map.rows.every((row) => !row.nodes.some((id) => id === late.id))).toBe(true);
  expect(late.map.nodes[3]).toMatchObject({ id: late.id, state: "active", weight: 25 });
  await settleRows(fleet, [...nodes, late]);
  const has = (at: number) =>
    fleet.controller.state.map.rows.filter((row) => row.nodes[at] === late.id).length;
  expect(has(0)).toBe(6);
  expect(has(0) + has(1) + has(2)).toBe(18);
  await live(fleet, [...nodes, late], 3500);
  expect(late.map.nodes[3]!.weight).toBe(100);
});

test("the map that is registered with is the map that is served", async () => {
  const fleet = await startFleet();
  const node = await fleet.ok<RegisterNodeReply>("POST", "/v1/nodes", {
    host: "cache-1.example",
    port: 1,
    memoryBytes: 0,
    pid: 1,
  });
  const served = await fleet.call("GET", "/v1/map");
  expect(served.headers.get("content-type")).toBe("application/octet-stream");
  expect(served.body).toEqual(Buffer.from(node.map, "base64"));
  const { epoch } = decodeMap(Buffer.from(node.map, "base64"));
  expect(served.headers.get("mayfly-epoch")).toBe(`${epoch.term}.${epoch.n}`);
});

test("the map is not sent to those who have it", async () => {
  const fleet = await startFleet();
  const { map } = await fleet.addNode();
  const { term, n } = map.epoch;
  const after = async (epoch: string) => (await fleet.call("GET", `/v1/map?after=${epoch}`)).status;
  expect(await after(`${term}.${n}`)).toBe(204);
  expect(await after(`${term + 1}.0`)).toBe(204);
  expect(await after(`${term}.${n - 1}`)).toBe(200);
  expect(await after("newest")).toBe(400);
});
