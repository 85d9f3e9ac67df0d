import { expect, onTestFinished, test } from "vitest";
import type { ClientContext } from "../../../client/context.ts";
import { readRanges } from "../../../client/objects/read-ranges.ts";
import { Session } from "../../../client/session.ts";
import { StripeMemory } from "../../../client/stripe-memory.ts";
import { startDeadline } from "../../../client/transport/deadline.ts";
import { FleetView } from "../../../client/transport/fleet-view.ts";
import { NodePool } from "../../../client/transport/node-pool.ts";
import { seededRng, systemClock } from "../../../src/clock.ts";
import { jobNumber, nodeId, objectId } from "../../../src/ids.ts";
import { emptyRow, type FleetMap } from "../../../src/placement/types.ts";
import { Ref } from "../../../src/wire/ref.ts";
import { until } from "../../support/until.ts";
import { anyBytes } from "../../support/written-keys.ts";
import { type ScriptedNode, startScriptedNode } from "../transport/scripted-node.ts";

function contextOf(nodes: readonly ScriptedNode[]): ClientContext {
  const pool: NodePool = new NodePool({
    clock: systemClock,
    credentials: () => ({ user: "1", token: "secret" }),
    epoch: () => view.epoch,
    onMap: () => undefined,
  });
  const view: FleetView = new FleetView({ seeds: [], pool: () => pool });
  const rng = seededRng(1);
  const memory = new StripeMemory(8 * 2 ** 20);
  const map: FleetMap = {
    epoch: { term: 1, n: 1 },
    nodes: nodes.map(({ address }, at) => ({
      ...{ id: nodeId(at + 1), ...address, state: "active", weight: 100, zone: "" },
    })),
    rows: Array.from({ length: 1024 }, () => ({ ...emptyRow, generation: 1, nodes: [nodeId(1)] })),
    backups: 0,
  };
  view.adopt(map);
  onTestFinished(() => pool.close());
  const code = { d: 2, p: 0 };
  return {
    clock: systemClock,
    rng,
    job: jobNumber(1),
    code,
    pool,
    view,
    session: new Session(rng),
    memory: () => memory,
    store: { url: undefined },
  };
}

test("once a read has failed nothing is written to its memory, whatever nodes still send", async () => {
  const [failing, slow] = [await startScriptedNode(), await startScriptedNode()];
  const context = contextOf([failing, slow]);
  const ref = new Ref({
    ...{ object: objectId(Buffer.alloc(16, 1)), key: Buffer.from("key"), sizeBytes: 512_000 },
    ...{ code: context.code, stripes: [[nodeId(1), nodeId(2)]] },
  });
  const into = Buffer.alloc(512_000, 0xaa);
  const deadline = startDeadline(systemClock, 10_000, undefined, "the test");
  const reading = readRanges(context, [{ ref, offset: 0, length: 512_000, into }], deadline);
  const outcome = reading.then(
    () => "done",
    (error: { code: string }) => error.code,
  );
  const refused = await failing.nextCall();
  const { socket } = await slow.nextCall();
  const head = `>3\r\n+mf\r\n:1\r\n*1\r\n*2\r\n$128\r\n${"s".repeat(128)}\r\n$256000\r\n`;
  socket.write(head);
  socket.write(anyBytes(100_000));
  await until("half of it has come", () => into.subarray(256_000).some((byte) => byte !== 0xaa));
  refused.reply((writer) => writer.error("JOBENDED it is over"));
  expect(await outcome).toBe("JOB_ENDED");
  const atFailure = Buffer.from(into);
  socket.write(anyBytes(156_000));
  socket.write("\r\n");
  // Answers come in order: when the next one is here, the rest of that one was read.
  const next = context.pool.connection(slow.address, "bulk").request("MF.NEXT", [], { deadline });
  (await slow.nextCall()).reply((writer) => writer.ok());
  expect(await next).toBe("OK");
  expect(into.equals(atFailure)).toBe(true);
});
