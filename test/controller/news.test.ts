import { expect, test } from "vitest";
import { createNews } from "../../src/controller/news.ts";
import { decodeMap } from "../../src/placement/map-codec.ts";
import type { HeartbeatReply } from "../../src/wire/control-api.ts";
import { until } from "../support/until.ts";
import { FakeClock } from "./fake-clock.ts";
import { startFleet, type TestFleet, type TestNode } from "./test-fleet.ts";

const body = (answer: { body: unknown }): HeartbeatReply => answer.body as HeartbeatReply;

/** A watch that has begun: the controller knows of it. */
async function watching(fleet: TestFleet, node: TestNode, waitMs = 30_000, signal?: AbortSignal) {
  const answer = node.watch(waitMs, signal);
  await fleet.call("GET", "/v1/health");
  return { answer };
}

test("a node that watches hears of a new map and of a new job table at once", async () => {
  const fleet = await startFleet({ rowCount: 8 });
  const [a] = await fleet.addNodes(1);
  const first = await watching(fleet, a!);
  await fleet.addNode();
  const map = decodeMap(Buffer.from(body(await first.answer).map!, "base64"));
  expect(map.nodes).toHaveLength(2);
  await a!.catchUp();
  const second = await watching(fleet, a!);
  await fleet.ok("POST", "/v1/nodes/2/leave");
  expect(Object.keys(body(await second.answer))).toEqual(["map"]);
  await a!.catchUp();
  const third = await watching(fleet, a!);
  await fleet.createJob();
  expect(Object.keys(body(await third.answer))).toEqual(["jobs"]);
  await a!.catchUp();
  const fourth = await watching(fleet, a!);
  await fleet.ok("DELETE", "/v1/jobs/1");
  expect(body(await fourth.answer).jobs).toMatchObject({ highest: 1, jobs: [] });
});

test("a node that knows less is answered without waiting, and one that knows all after its time", async () => {
  const fleet = await startFleet({ rowCount: 8 });
  const a = await fleet.addNode();
  await fleet.addNode();
  expect(Object.keys(body(await a.watch(30_000)))).toEqual(["map"]);
  await a.catchUp();
  const { answer } = await watching(fleet, a, 700);
  await fleet.clock.advance(650);
  let answered = false;
  void answer.then(() => {
    answered = true;
  });
  await fleet.call("GET", "/v1/health");
  expect(answered).toBe(false);
  await fleet.clock.advance(100);
  expect(await answer).toMatchObject({ status: 200, body: {} });
});

test("what a node shows when it watches is known of it: a job does not wait for its heartbeat", async () => {
  const fleet = await startFleet({ rowCount: 8 });
  const a = await fleet.addNode();
  await fleet.addNode();
  const creating = fleet.createJob();
  a.map = decodeMap(Buffer.from(body(await a.watch(30_000)).map!, "base64"));
  const { answer } = await watching(fleet, a);
  expect((await creating).job.job).toBe(1);
  await answer;
});

test("a node that is declared dead while it watches hears that, and so does one that never was", async () => {
  const fleet = await startFleet({ rowCount: 8 });
  const [a] = await fleet.addNodes(2);
  const { answer } = await watching(fleet, a!);
  await fleet.ok("POST", "/v1/nodes/1/leave");
  expect(await answer).toMatchObject({ status: 404, body: { code: "NODE_UNKNOWN" } });
  expect(await a!.watch(1)).toMatchObject({ status: 404 });
});

test("watching is no sign of life", async () => {
  const fleet = await startFleet({ rowCount: 8 });
  const [a, b] = await fleet.addNodes(2);
  for (let i = 0; i < 6; i++) {
    await b!.beat();
    await fleet.clock.advance(400);
    void a!.watch(100).catch(() => undefined);
  }
  await until("the silent node is dead", () => fleet.controller.state.map.nodes.length === 1);
});

test("a node waits once: to wait again ends the wait before; a closed connection ends it too", async () => {
  const clock = new FakeClock();
  const news = createNews(clock);
  const ended: string[] = [];
  const wait = (name: string, node: number, signal?: AbortSignal) =>
    news.wait(node, () => false, 30_000, signal).then(() => ended.push(name));
  const gone = new AbortController();
  void wait("first", 1);
  void wait("other", 2);
  void wait("second", 1, gone.signal);
  await clock.advance(1);
  expect(ended).toEqual(["first"]);
  gone.abort();
  await clock.advance(1);
  expect(ended).toEqual(["first", "second"]);
  void wait("third", 1);
  news.close();
  await clock.advance(1);
  expect(ended.sort()).toEqual(["first", "other", "second", "third"]);
  await wait("late", 3);
});

test("closing the controller answers those who watch", async () => {
  const fleet = await startFleet({ rowCount: 8 });
  const [a] = await fleet.addNodes(1);
  const { answer } = await watching(fleet, a!);
  const settled = answer.then(
    () => true,
    () => true,
  );
  await fleet.controller.close();
  expect(await settled).toBe(true);
});
