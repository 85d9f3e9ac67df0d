import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { parseDecisionLog } from "../../src/controller/autoscale/decision-log.ts";
import { replay } from "../../src/controller/autoscale/replay-decisions.ts";
import type { ScalePolicy } from "../../src/controller/autoscale/scale-policy.ts";
import { createController } from "../../src/controller/controller.ts";
import type { ControllerOptions } from "../../src/controller/options.ts";
import type { ProvisionedNode } from "../../src/controller/provisioners/provisioner.ts";
import { createMemoryStore } from "../../src/controller/state-store/memory-store.ts";
import { idleHeartbeat, type ScaleProgress, type StatusReply } from "../../src/wire/control-api.ts";
import { Machines } from "./machines.ts";
import { startFleet } from "./test-fleet.ts";

/** Nodes of a million bytes that take a second. */
const policy: Partial<ScalePolicy> = {
  ...{ nodesMin: 3, nodesMax: 8, nodeMemoryBytes: 1_000_000, startMs: 1000, decideEveryMs: 500 },
  ...{ coolDownUpMs: 1000, coolDownDownMs: 5000, headroomShare: 0, headroomWindowMs: 2000 },
  ...{ spareNodes: 0, shrinkShareMax: 0.5 },
};

async function begin(
  changes: Partial<ScalePolicy> = {},
  options: ControllerOptions = {},
  machines = new Machines(),
) {
  const autoscale = { ...policy, ...changes };
  const fleet = await startFleet({ rowCount: 12, autoscale, ...options }, machines);
  machines.fleet = fleet;
  const ids = () => fleet.controller.state.map.nodes.map((node) => node.id);
  const status = async () => (await fleet.ok<StatusReply>("GET", "/v1/status")).autoscale!;
  const untilSize = async (count: number): Promise<void> => {
    await machines.until(`there are ${count} nodes`, () => ids().length === count);
    for (const node of machines.nodes) await node.catchUp();
  };
  return { fleet, machines, ids, status, untilSize };
}

async function holdEach(machines: Machines, bytes: number, job = 1): Promise<void> {
  for (const node of machines.nodes) await node.beat({ usedBytes: bytes, jobBytes: [{ job, bytes }] });
}

test("a fleet begins with the fewest nodes, grows with what jobs hold, and shrinks when that is gone", async () => {
  const { fleet, machines, ids, status, untilSize } = await begin();
  await untilSize(3);
  await fleet.createJob({ code: { d: 1, p: 1 } });
  await holdEach(machines, 900_000);
  await machines.until("it grows", () => ids().length > 3);
  const grown = await status();
  const grow = grown.lastChange!;
  expect(grow).toMatchObject({ kind: "grow", drain: [], keep: [] });
  expect(grow.reasons.join("; ")).toMatch(/memory is above 80 %/);
  expect(machines.specs.every((spec) => spec.memoryBytes === 1_000_000)).toBe(true);
  await holdEach(machines, 10_000);
  await untilSize(3);
  const { lastChange } = await status();
  expect(lastChange!.kind).toBe("shrink");
  expect(fleet.controller.state.jobs[0]!.nodesLost).toBe(0);
  expect(fleet.log.join("\n")).toMatch(/the autoscaler decides to shrink to \d nodes: /);
});

test("what has holes is not full: claimed bytes decide", async () => {
  const { fleet, machines, ids, untilSize } = await begin({}, { heartbeatMs: 60_000 });
  await untilSize(3);
  await fleet.createJob({ code: { d: 1, p: 1 } });
  for (const node of machines.nodes) {
    const jobBytes = [{ job: 1, bytes: 960_000, claimedBytes: 300_000 }];
    await node.beat({ usedBytes: 980_000, claimedBytes: 300_000, jobBytes });
  }
  for (let i = 0; i < 20; i++) await machines.round();
  expect(ids()).toEqual([1, 2, 3]);
  expect(fleet.controller.state.map.nodes.map((node) => node.weight)).toEqual([100, 100, 100]);
  const { nodes } = await fleet.ok<StatusReply>("GET", "/v1/status");
  expect(nodes[0]).toMatchObject({ usedBytes: 980_000, claimedBytes: 300_000 });
});

test("writers that are sent away are room that is missing", async () => {
  const { machines, untilSize, status } = await begin();
  await untilSize(3);
  for (const node of machines.nodes) await node.beat({ waitingWriters: 1 });
  await untilSize(4);
  expect((await status()).lastChange!.reasons.join()).toMatch(/backlog/);
});

test("a job that hints more than there is makes the fleet grow before its data are there", async () => {
  const { fleet, machines, ids, untilSize } = await begin();
  await untilSize(3);
  await fleet.clock.advance(2000);
  const { readyInMs } = await fleet.createJob({ code: { d: 1, p: 1 }, hints: { bytes: 2_000_000 } });
  // A start and a decision.
  expect(readyInMs).toBe(1500);
  await machines.round();
  await machines.round();
  expect(ids()).toHaveLength(6);
  const ready = await fleet.createJob({ code: { d: 1, p: 1 }, hints: { bytes: 1000 } });
  expect(ready.readyInMs).toBe(0);
});

test("a job that the largest fleet could not hold is refused, with what is free and needed", async () => {
  const { fleet, untilSize } = await begin();
  await untilSize(3);
  const hints = { bytes: 5_000_000 };
  expect(await fleet.call("POST", "/v1/jobs", { code: { d: 1, p: 1 }, hints })).toMatchObject({
    status: 503,
    body: {
      code: "NOT_ENOUGH_NODES",
      message: expect.stringMatching(/hints 4\.8 MiB.*9\.5 MiB with parity; 8 nodes leave 6\.9 MiB/),
    },
  });
  expect(fleet.controller.state.highestJob).toBe(0);
  // Nobody can know what functions will store.
  const guess = await fleet.createJob({ code: { d: 1, p: 1 }, hints: { functions: 1000 } });
  expect(guess.job.state).toBe("alive");
});

test("a code that is wider than the fleet waits for the nodes that it needs", async () => {
  const { fleet, machines, ids, untilSize } = await begin();
  await untilSize(3);
  await fleet.clock.advance(2000);
  let begun = false;
  const created = fleet.createJob({ code: { d: 4, p: 2 } }).finally(() => {
    begun = true;
  });
  await machines.until("the job begins", () => begun);
  expect((await created).job.code).toEqual({ d: 4, p: 2 });
  expect(ids()).toHaveLength(6);
  const tooWide = await fleet.call("POST", "/v1/jobs", { code: { d: 7, p: 2 } });
  expect(tooWide.body).toMatchObject({
    code: "NOT_ENOUGH_NODES",
    message: expect.stringMatching(/9 shards.*there can be 8/),
  });
});

test("drains are called off when the nodes are needed after all, but not those that somebody asked for", async () => {
  const { fleet, machines, untilSize, status } = await begin({ coolDownDownMs: 1000 });
  await untilSize(3);
  await fleet.createJob({ code: { d: 1, p: 1 } });
  await fleet.ok("POST", "/v1/scale", { nodes: 4 });
  await untilSize(4);
  await fleet.ok("POST", "/v1/scale", { nodes: 0 });
  // Nothing is drained as long as a node says that there is something on it.
  const byNode = [1, 4].map((node) => [node, 1] as const);
  const relocation = { ...idleHeartbeat.relocation, objects: 2, bytes: 2, byNode };
  const draining = (): number[] => fleet.controller.state.drains.map((drain) => drain.node);
  for (const node of machines.nodes) await node.beat({ relocation });
  await machines.until("it shrinks", () => draining().length === 1);
  expect(draining()).toEqual([4]);
  await fleet.ok("POST", "/v1/nodes/1/drain", {});
  await holdEach(machines, 990_000);
  await machines.until("it keeps the node", () => !draining().includes(4));
  expect(draining()).toEqual([1]);
  expect((await status()).lastChange!.keep).toEqual(["4"]);
});

test("a size that is set by hand is kept until the autoscaler is asked to decide again", async () => {
  const { fleet, machines, ids, status, untilSize } = await begin();
  await untilSize(3);
  const pinned = await fleet.ok<ScaleProgress>("POST", "/v1/scale", { nodes: 5 });
  expect(pinned.desired).toBe(5);
  await untilSize(5);
  for (let i = 0; i < 100; i++) await machines.round();
  expect(ids()).toHaveLength(5);
  expect((await status()).waitsFor).toBe("it was given 5 nodes by hand, until: mayfly scale auto");
  expect(await fleet.call("POST", "/v1/scale", { nodes: 9 })).toMatchObject({
    status: 400,
    body: { message: expect.stringMatching(/9 nodes are more than the 8/) },
  });
  // A fixed size can hold as much as it can.
  const hints = { bytes: 3_000_000 };
  expect(await fleet.call("POST", "/v1/jobs", { code: { d: 1, p: 1 }, hints })).toMatchObject({
    body: { message: expect.stringMatching(/hints 2\.9 MiB, and 5 nodes have 2\.1 MiB free/) },
  });
  await fleet.ok("POST", "/v1/scale", { nodes: 0 });
  await untilSize(3);
  expect((await status()).waitsFor).toBeUndefined();
});

test("starts that fail are tried again, and starts that never end are given up", async () => {
  const hung: AbortSignal[] = [];
  class Slow extends Machines {
    hangs = false;
    override async start(spec: Parameters<Machines["start"]>[0]): Promise<ProvisionedNode> {
      if (!this.hangs) return await super.start(spec);
      hung.push(spec.signal!);
      return await new Promise(() => {});
    }
  }
  const machines = new Slow();
  machines.failures = 2;
  const { fleet, status, untilSize } = await begin({}, {}, machines);
  await machines.until("it says why", async () => (await status()).waitsFor !== undefined);
  expect((await status()).waitsFor).toMatch(/^a node did not start: no machine is free; the next attempt/);
  await untilSize(3);
  machines.hangs = true;
  await fleet.createJob({ code: { d: 1, p: 1 }, hints: { bytes: 1_500_000 } });
  await machines.until("one is given up", () => hung.some((signal) => signal.aborted));
  expect(fleet.log.join("\n")).toMatch(/start-\d+ is given up/);
  machines.hangs = false;
  await machines.until("others come", () => fleet.controller.state.map.nodes.length >= 4);
});

test("a restarted controller shrinks nothing before the cool-down is over, and nothing before it has heard of all", async () => {
  const store = createMemoryStore();
  const first = await begin({}, { store });
  await first.untilSize(3);
  await first.fleet.ok("POST", "/v1/scale", { nodes: 6 });
  await first.untilSize(6);
  await first.fleet.ok("POST", "/v1/scale", { nodes: 0 });
  await first.fleet.controller.close();
  const second = await begin({}, { store });
  const beganMs = second.fleet.clock.now();
  const status = await second.status();
  expect(status.waitsFor).toMatch(/^nodes 1, 2, 3, 4, 5, 6 have not reported/);
  expect(status.last).toBeUndefined();
  expect(second.machines.specs).toEqual([]);
  // The nodes of before report to the new one.
  for (const node of first.machines.nodes) second.machines.nodes.push(second.fleet.adopt(node));
  await second.machines.until("it decides", async () => (await second.status()).last !== undefined);
  await second.machines.until("it shrinks", () => second.fleet.controller.state.drains.length > 0);
  expect(second.fleet.clock.now() - beganMs).toBeGreaterThanOrEqual(5000);
});

test("the log of a controller's decisions replays, and is not full of decisions to hold", async () => {
  const dir = mkdtempSync(join(tmpdir(), "mayfly-decisions-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const decisionLog = join(dir, "decisions.jsonl");
  const { fleet, machines, ids, untilSize } = await begin({}, { decisionLog });
  await untilSize(3);
  await fleet.createJob({ code: { d: 1, p: 1 }, hints: { bytes: 100_000 } });
  await holdEach(machines, 900_000);
  await machines.until("it grows", () => ids().length > 3);
  await holdEach(machines, 10_000);
  await untilSize(3);
  for (let i = 0; i < 200; i++) await machines.round();
  await fleet.controller.close();
  const log = parseDecisionLog(readFileSync(decisionLog, "utf8"));
  expect(log.policy).toMatchObject(policy);
  const replayed = replay(log);
  expect(replayed.filter(({ same, intact }) => !same || !intact)).toEqual([]);
  const kinds = replayed.map(({ recorded }) => recorded.kind);
  expect(new Set(kinds)).toEqual(new Set(["grow", "shrink", "hold"]));
  expect(kinds.length).toBeLessThan(60);
});

test("an autoscaler needs somebody who starts nodes, and to know how large", () => {
  const autoscale = { nodesMin: 1, nodesMax: 2 };
  const invalid = expect.objectContaining({ code: "INVALID_ARGUMENT" });
  expect(() => createController({ autoscale, nodeMemoryBytes: 1 })).toThrow(invalid);
  expect(() => createController({ autoscale }, new Machines())).toThrow(invalid);
});
