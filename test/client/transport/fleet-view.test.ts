import { expect, onTestFinished, test } from "vitest";
import { startDeadline } from "../../../client/transport/deadline.ts";
import { FleetView, type FleetViewOptions } from "../../../client/transport/fleet-view.ts";
import { NodePool } from "../../../client/transport/node-pool.ts";
import { systemClock } from "../../../src/clock.ts";
import { MayflyError } from "../../../src/errors.ts";
import { nodeId } from "../../../src/ids.ts";
import { encodeMap } from "../../../src/placement/map-codec.ts";
import { type Address, emptyRow, type FleetMap } from "../../../src/placement/types.ts";
import { FakeClock } from "../../controller/fake-clock.ts";
import { startScriptedNode } from "./scripted-node.ts";

const rows = Array.from({ length: 1024 }, () => emptyRow);

function mapOf(n: number, addresses: readonly Address[] = [], dead: readonly number[] = []): FleetMap {
  const nodes = addresses.map((address, at) => ({
    ...{ id: nodeId(at + 1), ...address, weight: 100, zone: "" },
    state: dead.includes(at) ? ("dead" as const) : ("active" as const),
  }));
  return { epoch: { term: 1, n }, nodes, rows, backups: 2 };
}

function createView(options: Partial<FleetViewOptions> = {}): FleetView {
  const pool: NodePool = new NodePool({
    clock: systemClock,
    credentials: () => ({ user: "7", token: "secret" }),
    epoch: () => view.epoch,
    onMap: (encoded) => view.offer(encoded),
  });
  const view: FleetView = new FleetView({ seeds: [], pool: () => pool, ...options });
  onTestFinished(() => pool.close());
  return view;
}

const soon = (timeoutMs = 10_000, signal?: AbortSignal) =>
  startDeadline(systemClock, timeoutMs, signal, "the test");

test("only newer maps are taken, and listeners hear of each once", () => {
  const view = createView();
  const heard: number[] = [];
  const stop = view.onChange((map) => heard.push(map.epoch.n));
  expect(view.epoch).toEqual({ term: 0, n: 0 });
  view.offer(encodeMap(mapOf(5, [{ host: "a", port: 1 }])));
  view.offer(encodeMap(mapOf(5)));
  view.offer(encodeMap(mapOf(4)));
  expect(view.node(nodeId(1))).toMatchObject({ host: "a" });
  view.adopt(mapOf(6));
  expect(view.node(nodeId(1))).toBeUndefined();
  stop();
  view.adopt(mapOf(7));
  expect(heard).toEqual([5, 6]);
  expect(view.current?.epoch.n).toBe(7);
});

test("who waits before trying again is woken by a newer map, and else waits its time", async () => {
  const clock = new FakeClock();
  const view = createView();
  view.adopt(mapOf(5));
  const deadline = startDeadline(clock, 10_000, undefined, "the test");
  const waits = [false, false];
  const wait = async (at: number, delayMs: number): Promise<void> => {
    await view.pause(deadline, delayMs);
    waits[at] = true;
  };
  const first = wait(0, 1000);
  view.adopt(mapOf(4));
  await Promise.resolve();
  expect(waits).toEqual([false, false]);
  view.adopt(mapOf(6));
  await first;
  const second = wait(1, 1000);
  await clock.advance(999);
  expect(waits).toEqual([true, false]);
  await clock.advance(1);
  await second;
  expect(waits).toEqual([true, true]);
});

test("the first map comes with the handshake of the first node that answers", async () => {
  const map = mapOf(3);
  const node = await startScriptedNode({ map: () => encodeMap(map) });
  const nobody = { host: "127.0.0.1", port: 9 };
  const view = createView({ seeds: [nobody, node.address] });
  const ready = view.ready(soon());
  const call = await node.nextCall();
  expect(call.name).toBe("MF.MAP");
  call.reply((writer) => writer.null());
  expect((await ready).epoch).toEqual(map.epoch);
});

test("when no node answers the controller is asked", async () => {
  const asked: string[] = [];
  const view = createView({
    seeds: [{ host: "127.0.0.1", port: 9 }],
    askController: async (after) => {
      asked.push(`${after.term}.${after.n}`);
      return encodeMap(mapOf(8));
    },
  });
  expect((await view.ready(soon())).epoch.n).toBe(8);
  expect(asked).toEqual(["0.0"]);
});

test("who needs the first map waits for it through failures, by its own deadline", async () => {
  let tries = 0;
  const view = createView({
    askController: async () => {
      tries += 1;
      if (tries === 1) throw new MayflyError("CONTROLLER_UNREACHABLE", "nobody there");
      return tries === 2 ? undefined : encodeMap(mapOf(1));
    },
  });
  expect((await view.ready(soon())).epoch.n).toBe(1);
  expect(tries).toBe(3);

  const never = createView({
    askController: async () => {
      throw new MayflyError("CONTROLLER_UNREACHABLE", "nobody there");
    },
  });
  await expect(never.ready(soon(50))).rejects.toMatchObject({
    code: "DEADLINE_EXCEEDED",
    message: expect.stringContaining("nobody there"),
  });
});

test("concurrent looks are one look, but one caller's end is not another's", async () => {
  const node = await startScriptedNode();
  const view = createView();
  view.adopt(mapOf(1, [node.address]));
  const abort = new AbortController();
  const hasty = view.refresh(soon(30));
  const aborted = view.refresh(soon(10_000, abort.signal));
  const patient = view.refresh(soon());
  const call = await node.nextCall();
  expect(String(call.args[0])).toBe("1.1");
  await expect(hasty).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  abort.abort();
  await expect(aborted).rejects.toMatchObject({ code: "ABORTED" });
  call.reply((writer) => writer.bulk(encodeMap(mapOf(2, [node.address]))));
  await patient;
  expect(view.epoch.n).toBe(2);
  expect(node.names.filter((name) => name === "MF.MAP")).toHaveLength(2);
});

test("dead nodes are not asked", async () => {
  const [alive, dead] = [await startScriptedNode(), await startScriptedNode()];
  const view = createView();
  view.adopt(mapOf(1, [dead.address, alive.address], [0]));
  for (let i = 0; i < 3; i++) {
    const look = view.refresh(soon());
    (await alive.nextCall()).reply((writer) => writer.null());
    await look;
  }
  expect(dead.sockets).toHaveLength(0);
});

test("a token that no node takes is the error, unless the controller has the map", async () => {
  const node = await startScriptedNode({ authReply: "-TOKENEXPIRED it is over" });
  const seeds = [node.address];
  const unreachable = async (): Promise<undefined> => {
    throw new MayflyError("CONTROLLER_UNREACHABLE", "nobody there");
  };
  for (const view of [createView({ seeds }), createView({ seeds, askController: unreachable })]) {
    await expect(view.ready(soon())).rejects.toMatchObject({ code: "TOKEN_EXPIRED" });
  }
  const helped = createView({ seeds, askController: async () => encodeMap(mapOf(4)) });
  expect((await helped.ready(soon())).epoch.n).toBe(4);
});

test("while somebody waits for an answer it looks for a newer map every second", async () => {
  const clock = new FakeClock();
  let looks = 0;
  const view = createView({
    askController: async () => {
      looks += 1;
      return undefined;
    },
  });
  view.adopt(mapOf(1));
  const stop = [view.watch(clock), view.watch(clock)];
  await clock.advance(999);
  expect(looks).toBe(0);
  await clock.advance(1);
  expect(looks).toBe(1);
  await clock.advance(1000);
  expect(looks).toBe(2);
  stop[0]?.();
  stop[0]?.();
  await clock.advance(1000);
  expect(looks).toBe(3);
  stop[1]?.();
  await clock.advance(5000);
  expect(looks).toBe(3);
  view.watch(clock)();
  view.watch(clock);
  await clock.advance(1000);
  expect(looks).toBe(4);
});

test("while calls are made it looks for a newer map twice a second, and never else", async () => {
  const clock = new FakeClock();
  let looks = 0;
  const view = createView({
    askController: async () => {
      looks += 1;
      return encodeMap(mapOf(1 + looks));
    },
  });
  view.adopt(mapOf(1));
  // A function that makes one call and ends has a map that is new anyhow.
  view.keepFresh(clock);
  await clock.advance(0);
  expect(looks).toBe(0);
  await clock.advance(60_000);
  expect(looks).toBe(0);
  for (let calls = 0; calls < 5; calls++) view.keepFresh(clock);
  await clock.advance(0);
  expect([looks, view.epoch.n]).toEqual([1, 2]);
  await clock.advance(499);
  view.keepFresh(clock);
  await clock.advance(1);
  expect(looks).toBe(1);
  view.keepFresh(clock);
  await clock.advance(0);
  expect(looks).toBe(2);
});

test("a look that fails is no error of the call that made it", async () => {
  const clock = new FakeClock();
  let looks = 0;
  const view = createView({
    askController: async () => {
      looks += 1;
      throw new MayflyError("CONTROLLER_UNREACHABLE", "nobody there");
    },
  });
  view.adopt(mapOf(1));
  for (let calls = 0; calls < 3; calls++) {
    view.keepFresh(clock);
    await clock.advance(500);
  }
  expect([looks, view.epoch.n]).toEqual([2, 1]);
});

test("the usual time of a node follows what is observed, and is forgotten with the node", () => {
  const view = createView();
  view.adopt(mapOf(1, [{ host: "a", port: 1 }]));
  const node = nodeId(1);
  expect(view.latencyMs(node)).toBe(0);
  view.observeLatency(node, 80);
  expect(view.latencyMs(node)).toBe(80);
  view.observeLatency(node, 160);
  expect(view.latencyMs(node)).toBe(90);
  view.adopt(mapOf(2));
  expect(view.latencyMs(node)).toBe(0);
});
