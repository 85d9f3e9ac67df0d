import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { nodeId } from "../../../src/ids.ts";
import { groupOf } from "../../../src/placement/groups.ts";
import { encodeRef } from "../../../src/wire/ref.ts";
import type { RespError, RespValue } from "../../../src/wire/resp-value.ts";
import { type InProcessFleet, startInProcessFleet } from "../../support/in-process-fleet.ts";
import { errorPrefix, RawClient } from "../../support/raw-client.ts";
import { until } from "../../support/until.ts";
import { KeyClient, openAt as openJobAt } from "./key-client.ts";

let fleet: InProcessFleet;
let job: number;

beforeAll(async () => {
  fleet = await startInProcessFleet({ nodes: 4, nodeMemoryBytes: 16 * 2 ** 20 });
});
afterAll(() => fleet.stop());
beforeEach(async () => {
  job = (await fleet.createJob()).job.job;
});

const openAt = (node: number, of = job) => openJobAt(fleet, node, of);
const open = (key: string | Buffer, of = job) => KeyClient.open(fleet, key, of);

describe("MF.CELL.SET and GET", () => {
  test("a value comes back with its version, kind and no expiry", async () => {
    const cell = await open("key");
    expect(await cell.get()).toBeNull();
    const version = await cell.set("value");
    expect(version).toMatch(/^\d+\.\d+$/);
    expect(await cell.get()).toEqual([version, "bytes", -1, Buffer.from("value")]);
  });

  test("keys and values are bytes, of every length up to the limits", async () => {
    for (const key of [Buffer.from([0]), Buffer.from([255, 13, 10, 0]), randomBytes(1024)]) {
      const cell = await open(key);
      for (const length of [0, 1, 4095, 4096, 16_384]) {
        const value = randomBytes(length);
        await cell.set(value);
        const reply = (await cell.get()) as RespValue[];
        expect(value.equals(reply[3] as Buffer)).toBe(true);
      }
    }
  });

  test("versions grow, and are never used twice for a key", async () => {
    const cell = await open("key");
    const versions: string[] = [];
    for (let i = 0; i < 5; i++) {
      versions.push((await cell.set(`${i}`)) as string);
      await cell.del();
    }
    const sequences = versions.map((version) => Number(version.split(".")[1]));
    expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
  });

  test("a job's keys are its own", async () => {
    const cell = await open("key");
    await cell.set("mine");
    const other = await open("key", (await fleet.createJob()).job.job);
    expect(await other.get()).toBeNull();
    await other.set("theirs");
    expect(await cell.value()).toBe("mine");
  });

  test("what an acknowledged write says is on all members of the row", async () => {
    const cell = await open("key");
    const cellsOf = async (node: number): Promise<number> => {
      const client = await RawClient.open(fleet.node(node));
      return Number(/mayfly_cells:(\d+)/.exec(String(await client.send("INFO", "keyspace")))?.[1]);
    };
    const members = fleet.row("key").map((node) => node.id);
    expect(members).toHaveLength(3);
    const before = await Promise.all(members.map(cellsOf));
    await cell.set("value");
    expect(await Promise.all(members.map(cellsOf))).toEqual(before.map((count) => count + 1));
    await cell.del();
    expect(await Promise.all(members.map(cellsOf))).toEqual(before);
  });
});

describe("conditions", () => {
  test("absent: only where nothing is", async () => {
    const cell = await open("key");
    const version = await cell.set("first", { condition: "absent" });
    const refused = (await cell.set("second", { condition: "absent" })) as RespError;
    expect(refused.line).toMatch(/^KEYEXISTS /);
    expect(refused.line).toContain(version);
    expect(await cell.value()).toBe("first");
    await cell.del();
    expect(errorPrefix(await cell.set("third", { condition: "absent" }))).toBeUndefined();
  });

  test("a version: only over that one", async () => {
    const cell = await open("key");
    expect(errorPrefix(await cell.set("x", { condition: "1.1" }))).toBe("VERSIONMISMATCH");
    const first = (await cell.set("first")) as string;
    const second = (await cell.set("second", { condition: first })) as string;
    expect(errorPrefix(await cell.set("x", { condition: first }))).toBe("VERSIONMISMATCH");
    expect(errorPrefix(await cell.del({ condition: first }))).toBe("VERSIONMISMATCH");
    expect(await cell.value()).toBe("second");
    expect(await cell.del({ condition: second })).toBe(1);
    expect(errorPrefix(await cell.set("x", { condition: second }))).toBe("VERSIONMISMATCH");
  });

  test("of many concurrent writers over one version exactly one wins", async () => {
    const cell = await open("key");
    const version = (await cell.set("start")) as string;
    const rivals = await Promise.all(Array.from({ length: 8 }, () => open("key")));
    const replies = await Promise.all(
      rivals.flatMap((rival, at) => [0, 1, 2].map((i) => rival.set(`${at}.${i}`, { condition: version }))),
    );
    const won = replies.filter((reply) => errorPrefix(reply) === undefined);
    expect(won).toHaveLength(1);
    expect(replies.filter((reply) => errorPrefix(reply) === "VERSIONMISMATCH")).toHaveLength(23);
    expect(await cell.get()).toMatchObject([won[0], "bytes", -1, {}]);
  });
});

describe("expiry", () => {
  test("a value counts down, expires, and says so until something is written", async () => {
    const cell = await open("key");
    await cell.set("long", { ttlMs: 60_000 });
    const left = ((await cell.get()) as RespValue[])[2] as number;
    expect(left).toBeGreaterThan(50_000);
    expect(left).toBeLessThanOrEqual(60_000);
    await cell.set("short", { ttlMs: 40 });
    await until("it has expired", async () => errorPrefix(await cell.get()) === "EXPIRED");
    expect(errorPrefix(await cell.get(1000))).toBe("EXPIRED");
    expect(await cell.del()).toBe(0);
    expect(errorPrefix(await cell.set("new", { condition: "absent" }))).toBeUndefined();
    expect(await cell.value()).toBe("new");
  });

  test("a write without expiry takes it away", async () => {
    const cell = await open("key");
    await cell.set("short", { ttlMs: 40 });
    await cell.set("stays");
    const other = await open("other");
    await other.set("x", { ttlMs: 40 });
    await until("the other has expired", async () => errorPrefix(await other.get()) === "EXPIRED");
    expect(await cell.value()).toBe("stays");
  });
});

describe("MF.CELL.DEL", () => {
  test("says whether there was something", async () => {
    const cell = await open("key");
    expect(await cell.del()).toBe(0);
    await cell.set("x");
    expect(await cell.del()).toBe(1);
    expect(await cell.get()).toBeNull();
    expect(await cell.del()).toBe(0);
  });
});

describe("waiting", () => {
  test("fires when the key is written, and not for another key", async () => {
    const [cell, writer, other] = [await open("{tag}key"), await open("{tag}key"), await open("{tag}other")];
    const waits = [cell.get(30_000), writer.get(30_000)];
    await until("they wait", async () => (await blocked(fleet.row("{tag}key")[0]!.id)) === 2);
    await other.set("x");
    expect(await blocked(fleet.row("{tag}key")[0]!.id)).toBe(2);
    const version = await other.client.tagged(
      ...(["MF.CELL.SET", other.epoch, other.session, 9, 1, "", 0, "bytes", cell.key, "here"] as const),
    );
    for (const wait of waits) expect(await wait).toEqual([version, "bytes", -1, Buffer.from("here")]);
    expect(await blocked(fleet.row("{tag}key")[0]!.id)).toBe(0);
  });

  test("answers at once when the key is there", async () => {
    const cell = await open("key");
    const version = await cell.set("x");
    expect(await cell.get(60_000)).toMatchObject([version, "bytes", -1, {}]);
  });

  test("ends with nothing when its time is over", async () => {
    const cell = await open("key");
    expect(await cell.get(30)).toBeNull();
    expect(await blocked(fleet.row("key")[0]!.id)).toBe(0);
  });

  test("ends when the job does", async () => {
    const cell = await open("key");
    const wait = cell.get(30_000);
    await until("it waits", async () => (await blocked(fleet.row("key")[0]!.id)) === 1);
    await fleet.client.endJob(job);
    expect(errorPrefix(await wait)).toBe("JOBENDED");
  });
});

async function blocked(node: number): Promise<number> {
  const client = await RawClient.open(fleet.node(node));
  const info = String(await client.send("INFO", "clients"));
  client.socket.destroy();
  return Number(/blocked_clients:(\d+)/.exec(info)?.[1]);
}

describe("once", () => {
  test("a repeated write is answered as before and not applied again", async () => {
    const cell = await open("key");
    const first = await cell.set("first", { sequence: 1 });
    const second = await cell.set("second", { sequence: 2 });
    expect(await cell.set("first", { sequence: 1 })).toBe(first);
    expect(await cell.get()).toMatchObject([second, "bytes", -1, Buffer.from("second")]);
    // Also when the condition no longer holds.
    const third = await cell.set("third", { sequence: 3, condition: second as string });
    expect(await cell.set("third", { sequence: 3, condition: second as string })).toBe(third);
  });

  test("repetitions that overlap the first are applied once too", async () => {
    const cell = await open("key");
    const replies = await Promise.all(
      [0, 1, 2].map(() => cell.set("x", { sequence: 7, condition: "absent" })),
    );
    expect(new Set(replies).size).toBe(1);
    expect(errorPrefix(replies[0])).toBeUndefined();
  });

  test("a repeated delete still says that there was something", async () => {
    const cell = await open("key");
    await cell.set("x", { sequence: 1 });
    expect(await cell.del({ sequence: 2 })).toBe(1);
    expect(await cell.del({ sequence: 2 })).toBe(1);
  });

  test("a late copy of a request whose answer was received has no effect", async () => {
    const cell = await open("key");
    await cell.set("old", { sequence: 1, floor: 1 });
    await cell.set("new", { sequence: 2, floor: 2 });
    expect(errorPrefix(await cell.set("old", { sequence: 1, floor: 1 }))).toBe("ABORTED");
    expect(errorPrefix(await cell.del({ sequence: 1, floor: 1 }))).toBe("ABORTED");
    expect(await cell.value()).toBe("new");
  });

  test("another session's same number is another request", async () => {
    const [cell, other] = [await open("key"), await open("key")];
    const first = await cell.set("one", { sequence: 1 });
    expect(await other.set("two", { sequence: 1 })).not.toBe(first);
    expect(await cell.value()).toBe("two");
  });
});

describe("refs", () => {
  test("are committed like values, with the key's primary as witness", async () => {
    const cell = await open("key");
    const ref = cell.ref();
    const version = await cell.commit(ref, { condition: "absent" });
    expect(await cell.get()).toEqual([version, "ref", -1, Buffer.from(encodeRef(ref))]);
  });

  test("an aborted object can never be committed", async () => {
    const cell = await open("key");
    const ref = cell.ref();
    expect(await cell.abort(ref)).toBe("OK");
    expect(errorPrefix(await cell.commit(ref))).toBe("FREED");
    expect(await cell.get()).toBeNull();
    expect(errorPrefix(await cell.commit(cell.ref()))).toBeUndefined();
  });

  test("a committed object cannot be aborted", async () => {
    const cell = await open("key");
    const ref = cell.ref();
    await cell.commit(ref);
    expect(errorPrefix(await cell.abort(ref))).toBe("ERR");
    expect(errorPrefix(await cell.get())).toBeUndefined();
    // Nor an object of another key.
    expect(errorPrefix(await cell.abort({ ...cell.ref(), key: Buffer.from("other") }))).toBe("ERR");
  });

  test("a placement on nodes that are not in the map is refused", async () => {
    const cell = await open("key");
    const [a, b] = fleet.map.nodes;
    const gone = { ...cell.ref(), stripes: [[a!.id, b!.id, nodeId(4711)]] };
    expect(await cell.commit(gone)).toMatchObject({ line: expect.stringMatching(/^PLACEMENT .*4711/) });
    expect(await cell.get()).toBeNull();
  });

  test("a ref must be whole, of its own key, and say where its bytes are", async () => {
    const cell = await open("key");
    const ref = cell.ref();
    expect(errorPrefix(await cell.set("nonsense", { kind: "ref" }))).toBe("PROTOCOL");
    expect(errorPrefix(await cell.commit({ ...ref, key: Buffer.from("other") }))).toBe("ERR");
    expect(errorPrefix(await cell.commit({ ...ref, stripes: undefined }))).toBe("ERR");
    expect(errorPrefix(await cell.commit({ ...ref, stripes: undefined, inline: true }))).toBe("ERR");
    expect(errorPrefix(await cell.set(Buffer.alloc(300_000), { kind: "ref" }))).toBe("TOOLARGE");
  });

  test("to commit an object again frees none of its shards", async () => {
    const cell = await open("key");
    const ref = cell.ref();
    const at = await openAt(ref.stripes![0]![0]!);
    const payload = Buffer.alloc(50_048, 5);
    const object = Buffer.from(ref.object, "latin1");
    await at.tagged("MF.SHARD.PUT", object, 0, 0, Buffer.alloc(32), payload);
    const first = await cell.commit(ref);
    expect(await cell.commit(ref)).not.toBe(first);
    // Freed by another ref, its shard goes; that shows that freeing would have been seen.
    const isThere = async (): Promise<boolean> =>
      ((await at.tagged("MF.SHARD.GET", object, 0, 0, 0, 10, 0, 1)) as RespValue[])[0] !== null;
    expect(await isThere()).toBe(true);
    await cell.commit(cell.ref());
    await until("the replaced object is freed", async () => !(await isThere()));
  });
});

describe("refusals", () => {
  test("a node that is not the primary of the row answers MOVED with its epoch", async () => {
    const [primary, backup, ...rest] = fleet.row("key").map((node) => node.id);
    const outside = fleet.nodes.find((node) => ![primary, backup, ...rest].includes(nodeId(node.nodeId)))!;
    const { term, n } = fleet.map.epoch;
    for (const node of [backup!, outside.nodeId]) {
      const client = await openAt(node);
      const calls: readonly (readonly [string, ...(string | number | Buffer)[]])[] = [
        ["MF.CELL.GET", "0.0", 0, "key"],
        ["MF.CELL.SET", "0.0", randomBytes(8), 1, 1, "", 0, "bytes", "key", "v"],
        ["MF.CELL.DEL", "0.0", randomBytes(8), 1, 1, "", "key"],
      ];
      for (const call of calls) {
        const reply = (await client.tagged(...call)) as RespError;
        expect(reply.line).toMatch(new RegExp(`^MOVED ${term}\\.${n} group ${groupOf(Buffer.from("key"))} `));
      }
    }
  });

  test.each([
    ["MF.CELL.GET", "0.0", "x", "key"],
    ["MF.CELL.GET", "0.0", 60_001, "key"],
    ["MF.CELL.GET", "0.0", -1, "key"],
    ["MF.CELL.GET", "0.0", 0, ""],
    ["MF.CELL.GET", "0.0", 0, "k".repeat(1025)],
    ["MF.CELL.SET", "0.0", "sessio", 1, 1, "", 0, "bytes", "key", "v"],
    ["MF.CELL.SET", "0.0", "sessions", "", 1, "", 0, "bytes", "key", "v"],
    ["MF.CELL.SET", "0.0", "sessions", 2 ** 32, 1, "", 0, "bytes", "key", "v"],
    ["MF.CELL.SET", "0.0", "sessions", 1, 1, "newest", 0, "bytes", "key", "v"],
    ["MF.CELL.SET", "0.0", "sessions", 1, 1, "", 400 * 86_400_000, "bytes", "key", "v"],
    ["MF.CELL.SET", "0.0", "sessions", 1, 1, "", 0, "counter", "key", "v"],
    ["MF.CELL.LIST", "0.0", 1024, "", 10, ""],
    ["MF.CELL.LIST", "0.0", 0, "", 10_001, ""],
    ["MF.CELL.DEL", "0.0", "sessions", 1, 1, "1.2.3", "key"],
  ])("arguments outside their limits: %s %s %.20s %.20s", async (name, ...args) => {
    const client = await openAt(fleet.row("key")[0]!.id);
    expect(errorPrefix(await client.tagged(name, ...args))).toBe("ERR");
  });

  test("values above the limit, and writes above the quota", async () => {
    const cell = await open("key");
    expect(errorPrefix(await cell.set(Buffer.alloc(16_385)))).toBe("TOOLARGE");
    const small = (await fleet.createJob({ quotaBytes: 300_000 })).job.job;
    const filler = await open("key", small);
    await until("the quota is known and used up", async () => {
      const other = await open(`key-${filler.sequence}`, small);
      return errorPrefix(await other.set(Buffer.alloc(16_384))) === "QUOTA";
    });
    // What was applied before is answered as before, quota or not.
    const version = await cell.set("x", { sequence: 50 });
    expect(await cell.set("x", { sequence: 50 })).toBe(version);
  });

  test("a job that has ended", async () => {
    const cell = await open("key");
    await cell.set("x");
    await fleet.client.endJob(job);
    await until("its end is known", async () => errorPrefix(await cell.get()) === "JOBENDED");
    expect(errorPrefix(await cell.set("y"))).toBe("JOBENDED");
    expect(errorPrefix(await cell.del())).toBe("JOBENDED");
    expect(errorPrefix(await cell.client.tagged("MF.CELL.LIST", "0.0", 0, "", 9, ""))).toBe("JOBENDED");
  });
});
