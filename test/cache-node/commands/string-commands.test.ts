import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { stringCommands } from "../../../cache-node/commands/string-commands.ts";
import type { NodeCore } from "../../../cache-node/node-core.ts";
import type { Call, CallConnection, WriteReply } from "../../../cache-node/server/call.ts";
import { PlainReplies } from "../../../cache-node/server/replies.ts";
import type { Block } from "../../../cache-node/store/segment.ts";
import { MayflyError } from "../../../src/errors.ts";
import type { NodeId } from "../../../src/ids.ts";
import { slotOf } from "../../../src/placement/groups.ts";
import type { FleetMap } from "../../../src/placement/types.ts";
import type { RespError, RespValue } from "../../../src/wire/resp-value.ts";
import { RespWriter } from "../../../src/wire/resp-writer.ts";
import { type InProcessFleet, startInProcessFleet } from "../../support/in-process-fleet.ts";
import { errorPrefix, RawClient } from "../../support/raw-client.ts";
import { until } from "../../support/until.ts";
import { job as cellsJob, createCells, mapOf, turn } from "../cells/cells-fixture.ts";
import { KeyClient, openAt } from "./key-client.ts";

let fleet: InProcessFleet;
let job: number;

beforeAll(async () => {
  fleet = await startInProcessFleet({ nodes: 3, nodeMemoryBytes: 16 * 2 ** 20 });
});
afterAll(() => fleet.stop());
beforeEach(async () => {
  job = (await fleet.createJob()).job.job;
});

/** A RESP2 connection to the primary of the key. */
async function open(key: string | Buffer = "key", of = job): Promise<RawClient> {
  const client = await RawClient.open(fleet.node(fleet.row(key)[0]!.id));
  expect(await client.send("AUTH", of, fleet.jobToken(of))).toBe("OK");
  return client;
}

const cellAt = (key: string) => KeyClient.open(fleet, key, job);

function received(client: RawClient): () => string {
  const chunks: Buffer[] = [];
  client.socket.on("data", (chunk) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString();
}

describe("SET and GET", () => {
  test("what is set is got, in RESP2, RESP3 and inline", async () => {
    const clients = [await open(), await openAt(fleet, fleet.row("key")[0]!.id, job)];
    for (const [at, client] of clients.entries()) {
      expect(await client.send("SET", "key", `value ${at}`)).toBe("OK");
      for (const each of clients) expect(String(await each.send("GET", "key"))).toBe(`value ${at}`);
    }
    clients[0]!.writeRaw("set key 'two words'\r\nget key\r\n");
    expect(await clients[0]!.next()).toBe("OK");
    expect(String(await clients[0]!.next())).toBe("two words");
  });

  test("a key that holds nothing is null, as each protocol writes it", async () => {
    const client = await open();
    const text = received(client);
    expect(await client.send("GET", "key")).toBeNull();
    expect(text()).toBe("$-1\r\n");
    await client.send("HELLO", 3);
    const before = text();
    expect(await client.send("GET", "key")).toBeNull();
    expect(text()).toBe(`${before}_\r\n`);
  });

  test("the last value is got, whatever the lengths", async () => {
    const client = await open();
    for (const value of ["one", "two", "three", "", "", "4", "five!", "x".repeat(5000), "y".repeat(5000)]) {
      expect(await client.send("SET", "key", value)).toBe("OK");
      expect(await client.send("GET", "key")).toEqual(Buffer.from(value));
    }
  });

  test("keys and values are bytes, of every length up to the limits", async () => {
    for (const key of [Buffer.from([0]), Buffer.from([255, 13, 10, 0]), randomBytes(1024)]) {
      const client = await open(key);
      for (const length of [1, 4095, 4096, 16_383, 16_384]) {
        const value = randomBytes(length);
        expect(await client.send("SET", key, value)).toBe("OK");
        expect(value.equals((await client.send("GET", key)) as Buffer)).toBe(true);
      }
    }
  });

  test("a job's keys are its own", async () => {
    const client = await open();
    await client.send("SET", "key", "mine");
    const other = await open("key", (await fleet.createJob()).job.job);
    expect(await other.send("GET", "key")).toBeNull();
    await other.send("SET", "key", "theirs");
    expect(String(await client.send("GET", "key"))).toBe("mine");
  });

  test("a reply that has not left yet keeps its bytes when the key is overwritten", async () => {
    const client = await open();
    for (const length of [100, 16_384]) {
      const [old, young] = [Buffer.alloc(length, "o"), Buffer.alloc(length, "y")];
      await client.send("SET", "key", old);
      client.socket.cork();
      client.write("GET", "key");
      client.write("SET", "key", young);
      client.write("GET", "key");
      client.socket.uncork();
      expect(old.equals((await client.next()) as Buffer)).toBe(true);
      expect(await client.next()).toBe("OK");
      expect(young.equals((await client.next()) as Buffer)).toBe(true);
    }
  });
});

describe("beside the cell commands", () => {
  test("each sees what the other has written, and a SET is a new version", async () => {
    const [client, cell] = [await open(), await cellAt("key")];
    const version = await cell.set("by the SDK");
    expect(String(await client.send("GET", "key"))).toBe("by the SDK");
    await client.send("SET", "key", "by Redis");
    const [newer, ...rest] = (await cell.get()) as RespValue[];
    expect(rest).toEqual(["bytes", -1, Buffer.from("by Redis")]);
    expect(newer).not.toBe(version);
    expect(errorPrefix(await cell.set("x", { condition: version as string }))).toBe("VERSIONMISMATCH");
    expect(errorPrefix(await cell.set("x", { condition: newer as string }))).toBeUndefined();
  });

  test("a SET ends a wait for the key", async () => {
    const [client, waiting] = [await open(), await openAt(fleet, fleet.row("key")[0]!.id, job)];
    waiting.write("MF.CELL.GET", 9, "0.0", 30_000, "key");
    // Answered behind the wait, so the node has that.
    expect(await waiting.send("PING")).toBe("PONG");
    await client.send("SET", "key", "here");
    const reply = [expect.any(String), "bytes", -1, Buffer.from("here")];
    expect(await waiting.next()).toMatchObject({ items: ["mf", 9, reply] });
  });

  test("what was deleted or has expired is null, and a SET takes the expiry away", async () => {
    const [client, cell] = [await open(), await cellAt("key")];
    await cell.set("x");
    await cell.del();
    expect(await client.send("GET", "key")).toBeNull();
    await cell.set("short", { ttlMs: 40 });
    await until("it has expired", async () => (await client.send("GET", "key")) === null);
    await cell.set("long", { ttlMs: 60_000 });
    await client.send("SET", "key", "stays");
    expect(await cell.get()).toMatchObject([expect.any(String), "bytes", -1, {}]);
  });

  test("a key that holds an object is WRONGTYPE to read, and may be overwritten", async () => {
    const [client, cell] = [await open(), await cellAt("key")];
    await cell.commit(cell.ref());
    expect(errorPrefix(await client.send("GET", "key"))).toBe("WRONGTYPE");
    expect(await client.send("SET", "key", "value")).toBe("OK");
    expect(String(await client.send("GET", "key"))).toBe("value");
  });
});

describe("refusals", () => {
  test("a value above 16 KiB is TOOLARGE, and leaves what was there", async () => {
    const client = await open();
    await client.send("SET", "key", "small");
    expect(errorPrefix(await client.send("SET", "key", Buffer.alloc(16_385)))).toBe("TOOLARGE");
    expect(String(await client.send("GET", "key"))).toBe("small");
  });

  test("a key has 1 to 1,024 bytes", async () => {
    for (const key of ["", "k".repeat(1025)]) {
      const client = await open(key);
      expect(await client.send("SET", key, "x")).toMatchObject({
        line: expect.stringMatching(/^ERR .*1024/),
      });
      expect(errorPrefix(await client.send("GET", key))).toBe("ERR");
    }
  });

  test.each([["EX", "10"], ["NX"], ["GET"], ["KEEPTTL"], [""]])(
    "SET takes no option: %s",
    async (...options) => {
      const client = await open();
      await client.send("SET", "key", "old");
      const reply = (await client.send("SET", "key", "new", ...options)) as RespError;
      expect(reply.line).toMatch(/^ERR .*no options/);
      expect(String(await client.send("GET", "key"))).toBe("old");
    },
  );

  test.each([["GET"], ["GET", "key", "more"], ["SET"], ["SET", "key"]])(
    "a wrong number of arguments: %s %s",
    async (...args) => {
      const name = args[0]!.toLowerCase();
      expect(await (await open()).send(...args)).toMatchObject({
        line: `ERR wrong number of arguments for '${name}' command`,
      });
    },
  );

  test("without the token of a job there is nothing to get", async () => {
    const client = await RawClient.open(fleet.node(fleet.row("key")[0]!.id));
    const both = async () => [await client.send("GET", "key"), await client.send("SET", "key", "x")];
    expect((await both()).map(errorPrefix)).toEqual(["NOAUTH", "NOAUTH"]);
    expect(await client.send("AUTH", "node-9", fleet.fleetToken(9))).toBe("OK");
    expect((await both()).map(errorPrefix)).toEqual(["NOPERM", "NOPERM"]);
    expect(await (await open()).send("GET", "key")).toBeNull();
  });

  test("a job that has ended", async () => {
    const client = await open();
    await client.send("SET", "key", "x");
    await fleet.client.endJob(job);
    await until(
      "its end is known",
      async () => errorPrefix(await client.send("SET", "key", "y")) === "JOBENDED",
    );
    expect(errorPrefix(await client.send("GET", "key"))).toBe("JOBENDED");
  });
});

describe("keys of other nodes", () => {
  test("are answered with slot and address of their primary, as Redis Cluster does", async () => {
    const [primary, ...backups] = fleet.row("key");
    expect(backups).toHaveLength(2);
    const moved = `MOVED ${slotOf(Buffer.from("key"))} ${primary!.host}:${primary!.port}`;
    for (const { id } of backups) {
      const client = await openAt(fleet, id, job);
      expect(await client.send("SET", "key", "x")).toMatchObject({ line: moved });
      expect(await client.send("GET", "key")).toMatchObject({ line: moved });
    }
    expect(await (await open()).send("GET", "key")).toBeNull();
  });

  test("are UNAVAILABLE when that node is dead, or no node is known", async () => {
    const node = await plainNode([2, 1]);
    const client = node.connect();
    client.send("GET", "key");
    expect(client.replies).toEqual([`-MOVED ${slotOf(Buffer.from("key"))} 127.0.0.1:7002\r\n`]);
    node.adopt(mapOf([2, 1], { generation: 2, dead: [2] }));
    client.send("GET", "key");
    client.send("SET", "key", "x");
    node.adopt(mapOf([], { generation: 3 }));
    client.send("GET", "key");
    for (const reply of client.replies.slice(1)) expect(reply).toMatch(/^-UNAVAILABLE /);
    expect(client.replies).toHaveLength(4);
  });
});

/** GET and SET of a node whose backups acknowledge when the test says so. */
async function plainNode(row: readonly number[]) {
  const fixture = await createCells(row);
  let map: FleetMap = mapOf(row);
  const view = { node: (id: NodeId) => map.nodes.find((node) => node.id === id) };
  const core = { ...fixture, view } as unknown as NodeCore;
  const commands = new Map(stringCommands(core).map((command) => [command.name, command]));
  const claims = { scope: "job", job: cellsJob, node: 0, expiresAtMs: Number.MAX_SAFE_INTEGER } as const;
  return {
    adopt(next: FleetMap): void {
      map = next;
      fixture.adopt(next);
    },
    async acknowledge(backup: number): Promise<void> {
      await turn();
      for (const delivery of fixture.deliveries.filter(({ to }) => to === backup)) delivery.acknowledge();
      await turn();
    },
    connect() {
      const replies: string[] = [];
      const writer = new RespWriter({ protocol: 2 });
      const encode = (write: WriteReply): Buffer => {
        write(writer);
        return Buffer.concat(writer.take());
      };
      const plain = new PlainReplies((write) => replies.push(encode(write).toString()), encode);
      const send = (...args: readonly string[]): void => {
        const connection = {
          claims,
          pinUntilSent: (block: Block) => block.pin(),
        } as unknown as CallConnection;
        const call = plain.call(
          args.map((arg) => Buffer.from(arg)),
          [],
          connection,
        );
        const refuse = (thrown: unknown): void =>
          call.reply((to) => to.error(MayflyError.from(thrown).toResp()));
        try {
          handle(call)?.catch(refuse);
        } catch (thrown) {
          refuse(thrown);
        }
      };
      const handle = (call: Call): Promise<void> | undefined =>
        commands.get(String(call.args[0]))!.handle(call) ?? undefined;
      return { replies, send };
    },
  };
}

describe("order", () => {
  test("pipelined commands are answered in turn, each GET with what was set before it", async () => {
    const client = await open("{t}");
    const count = 200;
    client.socket.cork();
    for (let i = 0; i < count; i++) {
      client.write("SET", `{t}${i}`, `value ${i}`);
      client.write("GET", `{t}${i}`);
      client.write("GET", `{t}absent`);
      client.write("ECHO", `${i}`);
    }
    client.socket.uncork();
    for (let i = 0; i < count; i++) {
      expect(await client.next()).toBe("OK");
      expect(String(await client.next())).toBe(`value ${i}`);
      expect(await client.next()).toBeNull();
      expect(String(await client.next())).toBe(`${i}`);
    }
  });

  test("a GET between two SETs of its key shows the first, of the same length and of another", async () => {
    const client = await open();
    for (const [first, second] of [
      ["one", "two"],
      ["three", "four"],
    ] as const) {
      client.writeRaw(`SET key ${first}\r\nGET key\r\nSET key ${second}\r\nGET key\r\n`);
      const replies = [await client.next(), await client.next(), await client.next(), await client.next()];
      expect(replies.map(String)).toEqual(["OK", first, "OK", second]);
    }
  });

  test("a GET shows what was there when it came, whatever it has to wait for and however it is overwritten", async () => {
    for (const later of ["new", "another length"]) {
      const node = await plainNode([1, 2]);
      const [client, other] = [node.connect(), node.connect()];
      other.send("SET", "b", "old");
      await node.acknowledge(2);
      client.send("SET", "a", "1");
      client.send("GET", "b");
      other.send("SET", "b", later);
      await node.acknowledge(2);
      expect(client.replies).toEqual(["+OK\r\n", "$3\r\nold\r\n"]);
    }
  });

  test("a GET of the largest value is answered when the value is overwritten while it waits", async () => {
    const node = await plainNode([1, 2]);
    const [client, other] = [node.connect(), node.connect()];
    other.send("SET", "key", "x".repeat(16_384));
    client.send("GET", "key");
    other.send("SET", "key", "y".repeat(16_384));
    await node.acknowledge(2);
    expect(client.replies).toEqual([`$16384\r\n${"x".repeat(16_384)}\r\n`]);
  });

  test("what waits when the node stops being the primary is sent to the new one in Redis's words", async () => {
    const node = await plainNode([1, 2]);
    const client = node.connect();
    client.send("SET", "key", "x");
    client.send("GET", "key");
    node.adopt(mapOf([2, 1], { generation: 2 }));
    await node.acknowledge(2);
    const moved = `-MOVED ${slotOf(Buffer.from("key"))} 127.0.0.1:7002\r\n`;
    expect(client.replies).toEqual([moved, moved]);
  });

  test("a SET is answered when the last backup has it, and what came behind it waits for it", async () => {
    const node = await plainNode([1, 2, 3]);
    const [client, other] = [node.connect(), node.connect()];
    client.send("SET", "key", "value");
    client.send("GET", "absent");
    client.send("SET", "key", "x", "NX");
    other.send("GET", "absent");
    expect(other.replies).toEqual(["$-1\r\n"]);
    await node.acknowledge(2);
    expect(client.replies).toEqual([]);
    await node.acknowledge(3);
    expect(client.replies).toEqual(["+OK\r\n", "$-1\r\n", expect.stringMatching(/^-ERR /)]);
  });

  test("a GET shows nothing that is not on all backups, and then what it saw", async () => {
    const node = await plainNode([1, 2]);
    const [writer, reader] = [node.connect(), node.connect()];
    writer.send("SET", "key", "one");
    reader.send("GET", "key");
    writer.send("SET", "key", "two");
    await turn();
    expect(reader.replies).toEqual([]);
    await node.acknowledge(2);
    expect(reader.replies).toEqual(["$3\r\none\r\n"]);
    await node.acknowledge(2);
    reader.send("GET", "key");
    expect(writer.replies).toEqual(["+OK\r\n", "+OK\r\n"]);
    expect(reader.replies[1]).toBe("$3\r\ntwo\r\n");
  });

  test("without backups both are answered at once", async () => {
    const client = await (await plainNode([1])).connect();
    client.send("SET", "key", "value");
    client.send("GET", "key");
    expect(client.replies).toEqual(["+OK\r\n", "$5\r\nvalue\r\n"]);
  });
});
