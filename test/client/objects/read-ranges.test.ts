import { expect, onTestFinished, test } from "vitest";
import { startCacheNode } from "../../../cache-node/node.ts";
import { systemClock, systemRng } from "../../../src/clock.ts";
import type { Ref } from "../../../src/wire/ref.ts";
import { startInProcessFleet } from "../../support/in-process-fleet.ts";
import { until } from "../../support/until.ts";

test("a ref that names nodes newer than the reader's map is read", async () => {
  const fleet = await startInProcessFleet({ nodes: 1 });
  onTestFinished(() => fleet.stop());
  const { ticket } = await fleet.createJob({ code: { d: 1, p: 0 } });
  const reader = await fleet.connect(ticket);
  // The reader has a map of one node from here on, and nobody tells it of another.
  await reader.has("anything");
  const late = await startCacheNode({
    ...{
      clock: systemClock,
      rng: systemRng,
      controllerUrl: fleet.controller.url,
      memoryBytes: 32 * 2 ** 20,
      pid: process.pid,
    },
    onDeclaredDead: () => undefined,
    onDrained: () => undefined,
  });
  onTestFinished(() => late.stop());
  await until("the new node takes shards", () => (fleet.map.nodes[1]?.weight ?? 0) > 0);
  await until("the old node knows of it", async () => (await fleet.client.status()).nodes.length === 2);

  const bytes = Buffer.alloc(100_000, "late");
  let ref: Ref | undefined;
  await until("an object lies on the new node", async () => {
    ref = await (await fleet.connect(ticket)).put("k", bytes);
    return ref.stripes?.[0]?.[0] === late.nodeId;
  });
  expect(Buffer.compare(await reader.get(ref!), bytes)).toBe(0);
});
