/** A node that stands still (SIGSTOP) answers nothing and closes nothing: others must not wait for it for long. */
import { expect, test } from "vitest";
import type { NodeId } from "../../src/ids.ts";
import { idleHeartbeat } from "../../src/wire/control-api.ts";
import { startFleet } from "../support/fleet.ts";
import { until } from "../support/until.ts";
import { keysWhere, readBack, type Written, write } from "../support/written-keys.ts";

const code = { d: 4, p: 2 };
/** Long enough that nothing below is done by failing over to another node. */
const longMs = 60_000;

test("objects are read through parity while a node is frozen, long before it counts as dead", async () => {
  const fleet = await startFleet(6, { deadAfterMs: longMs });
  const job = await fleet.begin({ code });
  const written = await Promise.all(
    [20_000, 500_000, 2_200_003].flatMap((length) =>
      [0, 1, 2, 3].map((n) => write(job, `key-${length}-${n}`, length)),
    ),
  );
  const right = new Map(written.map(({ key }) => [key, "right"]));
  const [one, two] = fleet.nodeIds as [NodeId, NodeId];
  for (const frozen of [one, two]) {
    fleet.signal(frozen, "SIGSTOP");
    expect(await readBack(written, ({ ref }) => job.get(ref))).toEqual(right);
    const middle = { start: 16_000, end: 19_999 };
    expect(
      await readBack(
        written.map((each) => ({ ...each, bytes: each.bytes.subarray(middle.start, middle.end) })),
        ({ ref }) => job.get(ref, { range: middle }),
      ),
    ).toEqual(right);
  }
  expect(fleet.map.nodes.map(({ state }) => state)).not.toContain("dead");
});

test("what is under way to a frozen node goes elsewhere as soon as the node counts as dead", async () => {
  const fleet = await startFleet(7);
  const { ticket } = await fleet.createJob({ code });
  // One that does nothing else hears of the death from nobody in passing.
  const [job, writer, reader] = [
    await fleet.connect(ticket),
    await fleet.connect(ticket),
    await fleet.connect(ticket),
  ];
  await Promise.all([writer.has("warm"), reader.has("warm")]);
  const [frozen] = fleet.nodeIds as [NodeId];
  const orphans = keysWhere(fleet.map, "orphan-", 5, (row) => row[0] === frozen);
  const followed = keysWhere(fleet.map, "followed-", 5, (row) => row.indexOf(frozen) > 0);
  fleet.signal(frozen, "SIGSTOP");
  // Each has its default deadline of 30 s, which only the map can spare it.
  const led = Promise.all(orphans.map((key) => write(writer, key, 100)));
  const cells = Promise.all(followed.map((key) => write(job, key, 100)));
  const objects = Promise.all(followed.map((key) => write(job, `{${key}}/object`, 300_000)));
  const reads = Promise.allSettled(orphans.map((key) => reader.get(`{${key}}/never`)));
  await fleet.untilDead(frozen);
  const written: Written[] = [...(await led), ...(await cells), ...(await objects)];
  expect(new Set(await readBack(written, ({ key }) => job.get(key)))).toEqual(
    new Set(written.map(({ key }) => [key, "right"])),
  );
  const codeOf = (result: PromiseSettledResult<unknown>): unknown =>
    result.status === "rejected" && (result.reason as { code?: unknown }).code;
  expect((await reads).map(codeOf)).toEqual(orphans.map(() => "NOT_FOUND"));
});

test("a frozen node that was declared dead ends when it goes on, and its id is never valid again", async () => {
  const fleet = await startFleet(3);
  const job = await fleet.begin({ code: { d: 1, p: 1 } });
  await write(job, "key", 100_000);
  const [victim] = fleet.nodeIds as [NodeId];
  fleet.signal(victim, "SIGSTOP");
  await fleet.untilDead(victim);
  const status = await fleet.controller.status();
  fleet.signal(victim, "SIGCONT");
  await fleet.ended(victim);
  const { epoch } = status;
  const load = { ...idleHeartbeat, limitBytes: 1 };
  await expect(fleet.controller.heartbeat(victim, { epoch, jobsVersion: 0, ...load })).rejects.toMatchObject({
    code: "NODE_UNKNOWN",
  });
  // Nobody needs its address any more.
  await until("the map forgets it", () => !fleet.map.nodes.some(({ id }) => id === victim));
  expect(fleet.map.nodes.map(({ id }) => id)).toEqual(fleet.nodeIds.slice(1));
});
