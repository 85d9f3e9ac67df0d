import net from "node:net";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { RespError } from "../../../src/wire/resp-value.ts";
import { type InProcessFleet, startInProcessFleet } from "../../support/in-process-fleet.ts";
import { askNodeInfo } from "../../support/node-info.ts";
import { errorPrefix, RawClient } from "../../support/raw-client.ts";
import { until } from "../../support/until.ts";

let fleet: InProcessFleet;
let job: number;

beforeAll(async () => {
  fleet = await startInProcessFleet({ nodes: 1 });
  job = (await fleet.createJob()).job.job;
});
afterAll(() => fleet.stop());

const open = (): Promise<RawClient> => RawClient.open(fleet.nodes[0]!);

async function openJob(): Promise<RawClient> {
  const client = await open();
  await client.send("HELLO", 3, "AUTH", job, fleet.jobToken(job));
  return client;
}

describe("plain commands", () => {
  test("an unknown command and a wrong number of arguments are errors that name it", async () => {
    const client = await open();
    expect(await client.send("FLY", "me")).toMatchObject({
      line: expect.stringMatching(/^UNKNOWNCMD unknown command 'FLY'/),
    });
    for (const args of [["ECHO"], ["ECHO", "a", "b"], ["PING", "a", "b"], ["SELECT"], ["AUTH"]]) {
      const reply = (await client.send(...args)) as RespError;
      expect(reply.line).toBe(`ERR wrong number of arguments for '${args[0]!.toLowerCase()}' command`);
    }
    expect(await client.send("PING")).toBe("PONG");
  });

  test("a command's name is not repeated without bound", async () => {
    const client = await open();
    const reply = (await client.send("X".repeat(3000))) as RespError;
    expect(reply.line.length).toBeLessThan(200);
  });

  test("pipelined commands are answered in order, also across a slow one", async () => {
    const client = await openJob();
    // Tag 0: a plain reply that keeps its place in the line.
    client.writeRaw("MF.CELL.GET 0 0.0 200 missing\r\n");
    for (let i = 0; i < 500; i++) client.write("ECHO", `${i}`);
    expect(await client.next()).toBeNull();
    for (let i = 0; i < 500; i++) expect(String(await client.next())).toBe(`${i}`);
  });

  test("a tagged wait holds up nobody", async () => {
    const client = await openJob();
    client.write("MF.CELL.GET", 7, "0.0", 200, "missing");
    client.write("PING");
    expect(await client.next()).toBe("PONG");
    expect(await client.next()).toMatchObject({ items: ["mf", 7, null] });
  });

  test("inline commands are for people", async () => {
    const client = await open();
    client.writeRaw("ping\r\n\r\n   \nECHO \"two words\"\nECHO 'a\\'b'\r\n");
    expect(await client.next()).toBe("PONG");
    expect(String(await client.next())).toBe("two words");
    expect(String(await client.next())).toBe("a'b");
  });

  test("a command comes the same however the socket cuts it", async () => {
    const client = await open();
    const bytes = "*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n";
    for (let cut = 1; cut < bytes.length; cut++) {
      client.writeRaw(bytes.slice(0, cut));
      await new Promise((resolve) => setImmediate(resolve));
      client.writeRaw(bytes.slice(cut));
      expect(String(await client.next())).toBe("hello");
    }
  });
});

describe("protocol errors", () => {
  test.each([
    ["a count that is no number", "*x\r\n"],
    ["a bulk that is none", "*1\r\n:5\r\n"],
    ["a negative bulk", "*1\r\n$-5\r\n"],
    ["quotes that do not end", 'ECHO "x\r\n'],
  ])("%s is answered once, and ends the connection", async (_what, bytes) => {
    const client = await open();
    client.writeRaw("PING\r\n", bytes);
    expect(await client.next()).toBe("PONG");
    expect(await client.next()).toMatchObject({ line: expect.stringMatching(/^ERR Protocol error/) });
    client.writeRaw("PING\r\n");
    await expect(client.next()).rejects.toThrow(/closed/);
    await client.closed();
  });

  test("a client that does not close after its goodbye is closed", async () => {
    const { host, port } = fleet.nodes[0]!;
    const socket = net.connect({ host, port, allowHalfOpen: true });
    onTestFinished(() => void socket.destroy());
    const connections = async (): Promise<number> => {
      const client = await open();
      const info = String(await client.send("INFO", "clients"));
      client.socket.destroy();
      return Number(/connected_clients:(\d+)/.exec(info)?.[1]);
    };
    socket.write("PING\r\n");
    await new Promise((resolve) => socket.once("data", resolve));
    const before = await connections();
    socket.resume();
    socket.write("QUIT\r\n");
    await until("the node has let go of it", async () => (await connections()) < before);
  });
});

describe("strangers", () => {
  test("get little memory: long arguments and many are protocol errors", async () => {
    for (const bytes of ["*11\r\n", "*2\r\n$4\r\nECHO\r\n$16385\r\n", `ECHO ${"x".repeat(5000)}`]) {
      const client = await open();
      client.writeRaw(bytes);
      expect(await client.next()).toMatchObject({
        line: expect.stringMatching(/^ERR Protocol error.*limit/),
      });
      await client.closed();
    }
  });

  test("get the same limits back that a token lifts", async () => {
    const client = await openJob();
    const large = Buffer.alloc(100_000, 7);
    expect(large.equals((await client.send("ECHO", large)) as Buffer)).toBe(true);
  });

  test("may call nothing that touches data", async () => {
    const calls: readonly (readonly [string, ...(string | number)[]])[] = [
      ["MF.CELL.GET", "0.0", 0, "k"],
      ["MF.CELL.DEL", "0.0", "sessions", 1, 1, "", "k"],
      ["MF.SHARD.PUT", "o".repeat(16), 0, 0, "", ""],
      ["MF.SHARD.GET", "o".repeat(16), 0, 0, 0, 0, 0, 0],
      ["MF.MAP", "0.0"],
      ["MF.REPLICATE", "0.0", "x"],
      ["MF.MAP.OFFER", "x"],
    ];
    const client = await open();
    await client.send("HELLO", 3);
    for (const call of calls) expect(errorPrefix(await client.tagged(...call)), call[0]).toBe("NOAUTH");
  });
});

describe("scopes", () => {
  test("a job's token opens no command of nodes, and a node's none of jobs", async () => {
    const asJob = await openJob();
    const calls: readonly (readonly [string, ...(string | number)[]])[] = [
      ["MF.REPLICATE", "0.0", "x"],
      ["MF.MAP.OFFER", "x"],
      ["MF.SHARD.FREE", job, "o".repeat(16), 0, 0],
    ];
    for (const call of calls) expect(errorPrefix(await asJob.tagged(...call)), call[0]).toBe("NOPERM");
    const asNode = await open();
    expect(await asNode.send("AUTH", "node-9", fleet.fleetToken(9))).toBe("OK");
    await asNode.send("HELLO", 3);
    expect(errorPrefix(await asNode.tagged("MF.CELL.GET", "0.0", 0, "k"))).toBe("NOPERM");
    expect(errorPrefix(await asNode.tagged("MF.MAP", "0.0"))).toBeUndefined();
  });

  test("a node's token is of one node", async () => {
    const client = await open();
    expect(errorPrefix(await client.send("AUTH", "node-8", fleet.fleetToken(9)))).toBe("WRONGPASS");
  });
});

describe("tags", () => {
  test.each(["x", "-1", "1.5", "", "9007199254740992", "1".repeat(30)])(
    "%s is none: an error, and both the node and the connection live on",
    async (tag) => {
      const client = await openJob();
      for (const args of [
        ["MF.CELL.GET", tag, "0.0", 0, "k"],
        ["MF.CELL.GET", tag, "0.0", 20, "k"],
        ["MF.MAP", tag, "0.0"],
      ]) {
        const reply = (await client.send(...args)) as RespError;
        expect(reply.line).toMatch(/^ERR The tag of 'mf\./);
      }
      expect(await client.send("PING")).toBe("PONG");
    },
  );

  test("the largest one comes back exactly", async () => {
    const client = await openJob();
    expect(await client.send("MF.CELL.GET", "9007199254740991", "0.0", 0, "k")).toMatchObject({
      items: ["mf", 9007199254740991, null],
    });
  });
});

test("a client that reads nothing makes the node stop reading it, and loses nothing when it goes on", async () => {
  const client = await openJob();
  const object = Buffer.alloc(16, 3);
  const shard = Buffer.alloc(512 * 1024, 9);
  expect(await client.tagged("MF.SHARD.PUT", object, 0, 0, Buffer.alloc(32 * 8), shard)).toBe("OK");
  client.socket.pause();
  const count = 200;
  for (let i = 0; i < count; i++) client.write("MF.SHARD.GET", i + 1, object, 0, 0, 0, shard.length, 0, 32);
  // Meanwhile it serves others.
  expect((await askNodeInfo(fleet.nodes[0]!)).nodeId).toBe(fleet.nodes[0]!.nodeId);
  client.socket.resume();
  for (let i = 0; i < count; i++) {
    const reply = (await client.next()) as unknown as { items: [string, number, [[Buffer, Buffer]]] };
    expect(reply.items[1]).toBe(i + 1);
    expect(reply.items[2][0][1].equals(shard)).toBe(true);
  }
});
