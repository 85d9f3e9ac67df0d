import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { messageBytesMax } from "../../../src/wire/queue.ts";
import { type RespValue, respText } from "../../../src/wire/resp-value.ts";
import { type InProcessFleet, startInProcessFleet } from "../../support/in-process-fleet.ts";
import { errorPrefix } from "../../support/raw-client.ts";
import { KeyClient } from "./key-client.ts";

let fleet: InProcessFleet;
let job: number;

beforeAll(async () => {
  fleet = await startInProcessFleet({ nodes: 3, nodeMemoryBytes: 16 * 2 ** 20 });
});
afterAll(() => fleet.stop());
beforeEach(async () => {
  job = (await fleet.createJob()).job.job;
});

const open = (key: string) => KeyClient.open(fleet, key, job);

const result = (reply: RespValue): unknown =>
  Array.isArray(reply) ? reply.at(-1) : (errorPrefix(reply) ?? reply);

/** How many messages came, and the heads of the answer. */
const read = (reply: RespValue): unknown => {
  const value = result(reply);
  return Array.isArray(value) ? [...value.slice(0, 4), (value.length - 4) / 2] : value;
};

test("a message that is sent again is the same one, by its session and by its id", async () => {
  const cell = await open("queue");
  const other = await open("queue");
  expect(result(await cell.update("qadd", ["id", "name", "body", 0], { sequence: 1 }))).toBe(1);
  expect(result(await cell.update("qadd", ["", "", "body", 0], { sequence: 2 }))).toBe(2);
  expect(result(await cell.update("qadd", ["", "", "body", 0], { sequence: 2 }))).toBe(2);
  expect(result(await other.update("qadd", ["id", "name", "body", 0]))).toBe(-1);
  expect(read(await cell.read("qread", [0, 10, ""]))).toEqual([2, 0, 1, 2, 2]);
  expect(read(await cell.read("qread", [0, 10, "na"]))).toEqual([2, 0, 1, 2, 1]);
  expect(result(await cell.read("qroom", [5]))).toBe(3);
  expect(result(await cell.update("qtrim", [2], { sequence: 3 }))).toBe(2);
  expect(read(await cell.read("qread", [0, 10, ""]))).toEqual([0, 0, 0, 2, 0]);
});

test("reads wait for a message behind a number, and for room", async () => {
  const cell = await open("queue");
  const reader = await open("queue");
  const waiting = reader.read("qread", [0, 10, ""], 20_000, 1);
  await cell.update("qadd", ["", "", "a", 2]);
  expect(read(await waiting)).toEqual([1, 0, 1, 1, 1]);
  const next = reader.read("qread", [1, 10, "b"], 20_000, 1);
  await cell.update("qadd", ["", "a", "another", 2]);
  expect(result(await cell.update("qadd", ["", "b", "b", 2]))).toBe(0);
  const room = cell.read("qroom", [2], 20_000, 1);
  const third = await open("queue");
  await third.update("qtrim", [1]);
  expect(result(await room)).toBe(1);
  await third.update("qadd", ["", "b", "b", 2]);
  expect(read(await next)).toEqual([3, 0, 2, 3, 1]);
  const closing = reader.read("qread", [3, 10, ""], 20_000, 1);
  await third.update("hset", ["z", "1"]);
  expect(read(await closing)).toEqual([3, 1, 2, 3, 0]);
});

test("a watch ends when the key changes, goes or expires", async () => {
  const cell = await open("watched");
  const watcher = await open("watched");
  const appears = watcher.watch("", 20_000);
  const first = respText(await cell.set("a"));
  expect(await appears).toBe(first);
  expect(await watcher.watch("", 20_000)).toBe(first);
  expect(await watcher.watch(first!, 10)).toBe(first);
  const changes = watcher.watch(first!, 20_000);
  const second = respText(await cell.set("b", { ttlMs: 300 }));
  expect(await changes).toBe(second);
  expect(await watcher.watch(second!, 20_000)).toBe(null);
  const third = respText(await cell.set("c"));
  const goes = watcher.watch(third!, 20_000);
  await cell.del();
  expect(await goes).toBe(null);
  expect(errorPrefix(await watcher.watch("no version", 10))).toBe("ERR");
});

test("what is no message or number is refused, and changes nothing", async () => {
  const cell = await open("queue");
  const long = "x".repeat(messageBytesMax);
  for (const [args, prefix] of [
    [["", "", "a"], "ERR"],
    [["i".repeat(513), "", "a", 0], "ERR"],
    [["", "n".repeat(513), "a", 0], "ERR"],
    [["", "n", long, 0], "TOOLARGE"],
    [["", "", "a", -1], "ERR"],
  ] as const) {
    expect(errorPrefix(await cell.update("qadd", args)), String(args).slice(0, 20)).toBe(prefix);
  }
  expect(result(await cell.update("qadd", ["", "", long, 0]))).toBe(1);
  expect(errorPrefix(await cell.update("qtrim", ["x"]))).toBe("ERR");
  expect(errorPrefix(await cell.read("qread", [-1, 10, ""]))).toBe("ERR");
  expect(errorPrefix(await cell.read("qread", [0, 10]))).toBe("ERR");
  const list = await open("list");
  await list.update("rpush", ["a"]);
  expect(errorPrefix(await list.update("qadd", ["", "", "a", 0]))).toBe("WRONGTYPE");
  expect(errorPrefix(await list.read("qroom", [1]))).toBe("WRONGTYPE");
});
