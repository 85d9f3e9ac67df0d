/** A fleet that grows, shrinks and is replaced while functions write and read: no operation fails, nothing is lost. */
import { spawn } from "node:child_process";
import { expect, onTestFinished, test } from "vitest";
import { startLoad } from "../support/checked-load.ts";
import { readyLine } from "../support/child-output.ts";
import { startFleet, type TestFleet } from "../support/fleet.ts";
import { mainPath } from "../support/main-path.ts";
import { until } from "../support/until.ts";
import { expectAllRight, type Written, write } from "../support/written-keys.ts";

const code = { d: 2, p: 1 };

async function writeSome(job: Awaited<ReturnType<TestFleet["begin"]>>): Promise<Written[]> {
  const sizes = [10, 9000, 40_000, 700_000, 1_500_000];
  return Promise.all(Array.from({ length: 20 }, (_, n) => write(job, `kept-${n}`, sizes[n % sizes.length]!)));
}

async function untilScaled({ controller }: TestFleet, nodes: number): Promise<void> {
  await controller.scale(nodes);
  await until(`the fleet has ${nodes} nodes`, async () => (await controller.scaleProgress()).done, 60_000);
}

test("growing and shrinking under load", async () => {
  const fleet = await startFleet(4);
  const job = await fleet.begin({ code });
  const written = await writeSome(job);
  const load = startLoad(job);
  await untilScaled(fleet, 6);
  const grown = await fleet.controller.status();
  expect(grown.nodes.filter(({ state }) => state === "active")).toHaveLength(6);
  await untilScaled(fleet, 3);
  const { nodes, rows } = await fleet.controller.status();
  expect(nodes.filter(({ state }) => state === "active")).toHaveLength(3);
  expect(rows).toMatchObject({ full: 1024, degraded: 0, withoutPrimary: 0 });
  await load.stop();
  expect(load.failures).toEqual([]);
  expect(load.operations).toBeGreaterThan(50);
  await expectAllRight(job, written);
});

test("a fleet does not shrink below what its jobs need, and says so", async () => {
  const fleet = await startFleet(4);
  await fleet.begin({ code: { d: 2, p: 2 } });
  const [first] = fleet.nodeIds;
  await expect(fleet.controller.drainNode(first!)).rejects.toMatchObject({ code: "NOT_ENOUGH_NODES" });
  await fleet.controller.scale(3);
  await until("it says why it stays", async () => {
    const { blocked, reasons, active } = await fleet.controller.scaleProgress();
    return blocked && reasons.length > 0 && active === 4;
  });
});

test("all nodes are replaced, one after the other, under load", async () => {
  const fleet = await startFleet(4);
  const job = await fleet.begin({ code });
  const written = await writeSome(job);
  const load = startLoad(job);
  await fleet.controller.restart();
  await until("all are replaced", async () => (await fleet.controller.restartProgress()).done, 90_000);
  await load.stop();
  expect(load.failures).toEqual([]);
  const { nodes } = await fleet.controller.status();
  expect(nodes.filter(({ id }) => fleet.nodeIds.some((old) => old === id))).toEqual([]);
  await expectAllRight(job, written);
});

test("a drain goes on when another node dies, and when the node that is being drained dies", async () => {
  const fleet = await startFleet(6);
  const job = await fleet.begin({ code: { d: 2, p: 2 } });
  const written = await writeSome(job);
  const load = startLoad(job);
  const [draining, dying, doomed] = fleet.nodeIds;
  await fleet.controller.drainNode(draining!);
  await fleet.kill(dying!);
  await fleet.ended(draining!);
  await fleet.controller.scale(5);
  await until("the fleet is whole", async () => (await fleet.controller.scaleProgress()).done, 60_000);
  await fleet.controller.drainNode(doomed!);
  await fleet.kill(doomed!);
  await until("what it had is made anew", async () => {
    const { relocation, rows } = await fleet.controller.status();
    return relocation.objects === 0 && rows.full === 1024;
  });
  await load.stop();
  expect(load.failures).toEqual([]);
  await expectAllRight(job, written);
});

test("the process of a drained node ends with success, and holds nothing that anybody needs", async () => {
  const fleet = await startFleet(3);
  const job = await fleet.begin({ code });
  const args = [mainPath, "node", "--controller", fleet.url, "--memory", "64MiB"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const { node } = (await readyLine(child)) as { node: number };
  const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  await until("it takes shards", () => fleet.map.nodes.some(({ id, weight }) => id === node && weight > 0));
  const written = await writeSome(job);
  await fleet.controller.drainNode(node);
  expect(await ended).toBe(0);
  expect(fleet.map.nodes.map(({ id }) => id)).not.toContain(node);
  await expectAllRight(job, written);
});
