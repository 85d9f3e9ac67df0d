import { expect, onTestFinished, test } from "vitest";
import { startDeadline } from "../../../client/transport/deadline.ts";
import { NodePool } from "../../../client/transport/node-pool.ts";
import { systemClock } from "../../../src/clock.ts";
import { FakeClock } from "../../controller/fake-clock.ts";
import { until } from "../../support/until.ts";
import { startScriptedNode } from "./scripted-node.ts";

function createPool(clock = new FakeClock()): { pool: NodePool; clock: FakeClock } {
  const pool = new NodePool({
    clock,
    credentials: () => ({ user: "7", token: "secret" }),
    epoch: () => ({ term: 0, n: 0 }),
    onMap: () => undefined,
  });
  onTestFinished(() => pool.close());
  return { pool, clock };
}

const soon = () => ({ deadline: startDeadline(systemClock, 10_000, undefined, "the test") });

test("a node gets one connection for small and one for bulk traffic, when first needed", async () => {
  const node = await startScriptedNode();
  const { pool } = createPool();
  const small = pool.connection(node.address, "small");
  expect(pool.connection(node.address, "small")).toBe(small);
  const first = small.request("MF.X", [], soon());
  (await node.nextCall()).reply((writer) => writer.ok());
  await first;
  expect(node.sockets).toHaveLength(1);
  const bulk = pool.connection(node.address, "bulk");
  expect(bulk).not.toBe(small);
  expect(pool.connection(node.address, "bulk")).toBe(bulk);
  await until("both are connected", () => node.sockets.length === 2);
});

test("a node that could not be reached is left alone for a moment", async () => {
  const node = await startScriptedNode();
  const { pool, clock } = createPool();
  const broken = pool.connection(node.address, "small").request("MF.X", [], soon());
  (await node.nextCall()).socket.destroy();
  await expect(broken).rejects.toMatchObject({ code: "NODE_UNREACHABLE" });
  expect(pool.failedLately(node.address)).toBe(true);
  // For bulk traffic as well: it is the same process.
  for (const traffic of ["small", "bulk"] as const) {
    expect(() => pool.connection(node.address, traffic)).toThrow(/a moment ago/);
  }
  await clock.advance(199);
  expect(() => pool.connection(node.address, "small")).toThrow(/a moment ago/);
  expect(node.sockets).toHaveLength(1);
  await clock.advance(1);
  expect(pool.failedLately(node.address)).toBe(false);
  const again = pool.connection(node.address, "small").request("MF.X", [], soon());
  (await node.nextCall()).reply((writer) => writer.integer(3));
  expect(await again).toBe(3);
});

test("while a node that refused the token is left alone, that is the error", async () => {
  const node = await startScriptedNode({ authReply: "-TOKENEXPIRED it is over" });
  const { pool } = createPool();
  await expect(pool.connection(node.address, "small").request("MF.X", [], soon())).rejects.toMatchObject({
    code: "TOKEN_EXPIRED",
  });
  expect(() => pool.connection(node.address, "small")).toThrow(
    expect.objectContaining({ code: "TOKEN_EXPIRED" }),
  );
});

test("connections to nodes that left the map are closed, and the place is not held against its next user", async () => {
  const [stays, leaves] = [await startScriptedNode(), await startScriptedNode()];
  const { pool } = createPool();
  const kept = pool.connection(stays.address, "small").request("MF.X", [], soon());
  const ended = pool.connection(leaves.address, "small").request("MF.X", [], soon());
  const call = await stays.nextCall();
  await leaves.nextCall();
  pool.keepOnly([stays.address]);
  await expect(ended).rejects.toMatchObject({ code: "NODE_UNREACHABLE", message: /no longer in the map/ });
  call.reply((writer) => writer.ok());
  expect(await kept).toBe("OK");
  expect(pool.failedLately(leaves.address)).toBe(false);
});

test("a closed pool ends what is under way with CLOSED, and opens nothing more", async () => {
  const node = await startScriptedNode();
  const { pool } = createPool();
  const answer = pool.connection(node.address, "small").request("MF.X", [], soon());
  await node.nextCall();
  pool.close();
  await expect(answer).rejects.toMatchObject({ code: "CLOSED" });
  expect(() => pool.connection(node.address, "small")).toThrow(expect.objectContaining({ code: "CLOSED" }));
});
