/** Reads that wait on the server for a key, and the death of the server they wait on. */
import { expect, test } from "vitest";
import type { NodeId } from "../../src/ids.ts";
import { startFleet, type TestFleet } from "../support/fleet.ts";
import { askNodeInfo } from "../support/node-info.ts";
import { until } from "../support/until.ts";
import { keysWhere } from "../support/written-keys.ts";

const waitsOn = async ({ map }: TestFleet, node: NodeId): Promise<number> =>
  (await askNodeInfo(map.nodes.find(({ id }) => id === node)!)).waits;

test("a wait ends when the key is written, and is armed again elsewhere when its primary dies", async () => {
  const fleet = await startFleet(4);
  const { ticket, job: created } = await fleet.createJob({ code: { d: 2, p: 1 } });
  const [reader, writer] = [await fleet.connect(ticket), await fleet.connect(ticket)];
  const [primary, backup] = fleet.map.rows[0]!.nodes as [NodeId, NodeId];
  const [early, late, never] = keysWhere(
    fleet.map,
    "key-",
    3,
    (row) => row[0] === primary && row[1] === backup,
  ) as [string, string, string];

  const found = reader.get(early, { waitMs: 30_000 });
  const endless = reader.get(late, { waitMs: 600_000 }).catch((error: unknown) => error);
  await until("both wait on the primary", async () => (await waitsOn(fleet, primary)) === 2);
  await writer.put(early, "here");
  expect(Buffer.from(await found).toString()).toBe("here");

  const startMs = performance.now();
  const waitMs = 3000;
  const bounded = reader.get(never, { waitMs }).catch((error: unknown) => error);
  await until("both wait on the primary", async () => (await waitsOn(fleet, primary)) === 2);
  await fleet.kill(primary);
  await fleet.untilDead(primary);
  await until("they wait on the backup", async () => (await waitsOn(fleet, backup)) >= 1);
  expect(await bounded).toMatchObject({ code: "NOT_FOUND" });
  expect(performance.now() - startMs).toBeGreaterThan(waitMs - 200);

  await fleet.controller.endJob(created.job);
  expect(await endless).toMatchObject({ code: "JOB_ENDED" });
  expect(await waitsOn(fleet, backup)).toBe(0);
});

test("a wait on a frozen primary goes over to the backup, too, and one can be given up at any time", async () => {
  const fleet = await startFleet(3);
  const { ticket } = await fleet.createJob({ code: { d: 1, p: 1 } });
  const reader = await fleet.connect(ticket);
  const [primary, backup] = fleet.map.rows[0]!.nodes as [NodeId, NodeId];
  const [key] = keysWhere(fleet.map, "key-", 1, (row) => row[0] === primary && row[1] === backup);
  const waiting = new AbortController();
  const { signal } = waiting;
  const read = reader.get(key!, { waitMs: 600_000, signal }).catch((error: unknown) => error);
  await until("it waits on the primary", async () => (await waitsOn(fleet, primary)) === 1);
  fleet.signal(primary, "SIGSTOP");
  await fleet.untilDead(primary);
  await until("it waits on the backup", async () => (await waitsOn(fleet, backup)) === 1);
  waiting.abort();
  expect(await read).toMatchObject({ code: "ABORTED" });
});
