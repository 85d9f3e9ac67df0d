import { expect, onTestFinished, test } from "vitest";
import { ControllerClient } from "../../client/controller-client.ts";
import { idleHeartbeat } from "../../src/wire/control-api.ts";
import { startFleet } from "../controller/test-fleet.ts";

async function start(nodes: number) {
  const fleet = await startFleet({ rowCount: 8 });
  await fleet.addNodes(nodes);
  const client = new ControllerClient(fleet.controller.url);
  onTestFinished(() => client.close());
  return { fleet, client };
}

test("a node registers, reports, waits for news, and leaves", async () => {
  const { client } = await start(1);
  const { nodeId, fleetToken, jobs, map } = await client.registerNode({
    ...{ host: "10.0.0.1", port: 7401, memoryBytes: 1, pid: 1 },
  });
  const known = { jobsVersion: jobs.version, epoch: "0.0" };
  const heartbeat = { ...idleHeartbeat, ...known, limitBytes: 1 };
  expect(await client.heartbeat(nodeId, heartbeat, fleetToken)).toEqual({ map });
  expect(await client.watch(nodeId, { ...known, waitMs: 20_000 }, fleetToken)).toEqual({ map });
  const { epoch } = await client.status();
  const waiting = client.watch(nodeId, { ...known, epoch, waitMs: 20_000 }, fleetToken);
  await client.leave(1);
  expect(Object.keys(await waiting)).toEqual(["map"]);
  await client.leave(nodeId, fleetToken);
  await expect(client.watch(nodeId, { ...known, epoch, waitMs: 1 }, fleetToken)).rejects.toMatchObject({
    code: "NODE_UNKNOWN",
  });
});

test("the fleet is scaled, and nodes are drained and replaced", async () => {
  const { client } = await start(3);
  expect(await client.drainNode(3, 60_000)).toMatchObject({
    node: 3,
    state: "draining",
    deadlineLeftMs: 60_000,
  });
  expect(await client.nodeProgress(3)).toMatchObject({ state: "draining" });
  expect(await client.cancelDrain(3)).toMatchObject({ state: "active" });
  await expect(client.scale(9)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(await client.scale(2)).toMatchObject({ desired: 2, active: 3 });
  expect(await client.scaleProgress()).toMatchObject({ desired: 2 });
  expect(await client.restart()).toMatchObject({ done: false });
  expect((await client.restartProgress()).left.length).toBeGreaterThan(1);
});
