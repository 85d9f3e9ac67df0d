import { expect, onTestFinished, test } from "vitest";
import { NodePeers } from "../../cache-node/node-peers.ts";
import { FleetView } from "../../client/transport/fleet-view.ts";
import { NodePool } from "../../client/transport/node-pool.ts";
import { systemClock } from "../../src/clock.ts";
import { nodeId } from "../../src/ids.ts";
import { encodeMap } from "../../src/placement/map-codec.ts";
import { type Address, emptyRow, type FleetMap } from "../../src/placement/types.ts";
import { startScriptedNode } from "../client/transport/scripted-node.ts";

const rows = Array.from({ length: 1024 }, () => emptyRow);
const other = nodeId(2);

function mapOf(n: number, address: Address): FleetMap {
  const nodes = [{ id: other, ...address, weight: 100, zone: "", state: "active" as const }];
  return { epoch: { term: 1, n }, nodes, rows, backups: 2 };
}

async function createPeers() {
  const node = await startScriptedNode();
  const pool: NodePool = new NodePool({
    clock: systemClock,
    credentials: () => ({ user: "node", token: "secret" }),
    epoch: () => view.epoch,
    onMap: (encoded) => view.offer(encoded),
  });
  const view: FleetView = new FleetView({ seeds: [], pool: () => pool });
  onTestFinished(() => pool.close());
  view.adopt(mapOf(5, node.address));
  const peers = new NodePeers({
    ...{ clock: systemClock, pool, view, grantMs: () => 10_000 },
    encodedMap: () => (view.current === undefined ? undefined : encodeMap(view.current)),
  });
  return { node, view, peers };
}

test("maps are exchanged once for all who want it: theirs is taken when it is newer", async () => {
  const { node, view, peers } = await createPeers();
  const exchanges = [peers.exchangeMaps(other), peers.exchangeMaps(other)];
  const asked = await node.nextCall();
  expect([asked.name, String(asked.args[0])]).toEqual(["MF.MAP", "1.5"]);
  asked.reply((writer) => writer.bulk(encodeMap(mapOf(7, node.address))));
  await Promise.all(exchanges);
  expect(view.epoch.n).toBe(7);
  expect(node.names.filter((name) => name.startsWith("MF.MAP"))).toEqual(["MF.MAP", "MF.MAP"]);
  // The next one is an exchange of its own.
  const next = peers.exchangeMaps(other);
  const call = await node.nextCall();
  expect([call.name, String(call.args[0])]).toEqual(["MF.MAP", "1.7"]);
  call.reply((writer) => writer.bulk(encodeMap(mapOf(8, node.address))));
  await next;
});

test("ours is offered only to who has none that is newer", async () => {
  const { node, view, peers } = await createPeers();
  const exchange = peers.exchangeMaps(other);
  const asked = await node.nextCall();
  asked.reply((writer) => writer.null());
  const offered = await node.nextCall();
  expect(offered.name).toBe("MF.MAP.OFFER");
  expect(Buffer.compare(offered.args[0]!, encodeMap(view.current!))).toBe(0);
  offered.reply((writer) => writer.ok());
  await exchange;
});

test("answers that are none are PROTOCOL errors, and who is not in the map is unreachable", async () => {
  const { node, peers } = await createPeers();
  const grant = peers.grant(other);
  (await node.nextCall()).reply((writer) => writer.ok());
  await expect(grant).rejects.toMatchObject({ code: "PROTOCOL" });
  const replicated = peers.replicate(other, []);
  (await node.nextCall()).reply((writer) => writer.integer(1));
  await expect(replicated).rejects.toMatchObject({ code: "PROTOCOL" });
  await expect(peers.grant(nodeId(9))).rejects.toMatchObject({ code: "NODE_UNREACHABLE" });
});
