import { afterAll, beforeAll, expect, test } from "vitest";
import { RespMap, type RespValue, respText } from "../../../src/wire/resp-value.ts";
import { type InProcessFleet, startInProcessFleet } from "../../support/in-process-fleet.ts";
import { errorPrefix, RawClient } from "../../support/raw-client.ts";

let fleet: InProcessFleet;

beforeAll(async () => {
  fleet = await startInProcessFleet({ nodes: 1 });
});
afterAll(() => fleet.stop());

const open = (): Promise<RawClient> => RawClient.open(fleet.nodes[0]!);

test("INFO tells sections of name:value lines", async () => {
  const client = await open();
  const all = respText(await client.send("INFO"))!;
  expect(all.match(/^# \w+/gm)).toEqual(["# Server", "# Clients", "# Memory", "# Replication", "# Keyspace"]);
  for (const line of all.split("\r\n")) expect(line).toMatch(/^(# \w+|[a-z_]+:.+|)$/);
  expect(all).toContain("\r\nredis_version:7.");
  expect(all).toContain(`\r\nmayfly_node_id:${fleet.nodes[0]!.nodeId}\r\n`);
  expect(all).toContain(`\r\ntcp_port:${fleet.nodes[0]!.port}\r\n`);
  expect(all).toContain(`\r\nmaxmemory:${32 * 2 ** 20}\r\n`);
});

test("INFO of one section tells that one, of an unknown one nothing", async () => {
  const client = await open();
  const memory = respText(await client.send("INFO", "MEMORY"))!;
  expect(memory.match(/^# \w+/gm)).toEqual(["# Memory"]);
  expect(respText(await client.send("INFO", "nonsense"))).toBe("");
  expect(respText(await client.send("INFO", "everything"))).toContain("# Keyspace");
});

test("used and free memory add up to the limit", async () => {
  const client = await open();
  const memory = respText(await client.send("INFO", "memory"))!;
  const number = (name: string): number => Number(new RegExp(`${name}:(\\d+)`).exec(memory)?.[1]);
  expect(number("used_memory") + number("mayfly_free_memory")).toBe(number("maxmemory"));
});

test("COMMAND lists what there is, as Redis does", async () => {
  const client = await open();
  const count = (await client.send("COMMAND", "COUNT")) as number;
  const names = ((await client.send("COMMAND", "LIST")) as RespValue[]).map(respText);
  expect(names).toHaveLength(count);
  for (const name of ["hello", "auth", "ping", "info", "mf.cell.set", "mf.shard.put"]) {
    expect(names).toContain(name);
  }
  expect(await client.send("COMMAND")).toHaveLength(count);
  expect(await client.send("COMMAND", "DOCS", "ping")).toEqual([]);
  const [ping, unknown] = (await client.send("COMMAND", "INFO", "ping", "nonsense")) as RespValue[];
  expect((ping as RespValue[]).slice(1, 3)).toEqual([-1, []]);
  expect(unknown).toBeNull();
  expect(((await client.send("COMMAND", "INFO", "echo")) as RespValue[][])[0]?.[1]).toBe(2);
  expect(errorPrefix(await client.send("COMMAND", "NONSENSE"))).toBe("UNKNOWNCMD");
});

test.each([2, 3])("CONFIG GET takes patterns, over RESP%i", async (protocol) => {
  const client = await open();
  await client.send("HELLO", protocol);
  const flat = async (...patterns: string[]): Promise<(string | undefined)[]> => {
    const reply = await client.send("CONFIG", "GET", ...patterns);
    expect(reply instanceof RespMap).toBe(protocol === 3);
    return (reply instanceof RespMap ? reply.items : (reply as RespValue[])).map(respText);
  };
  expect(await flat("maxmemory")).toEqual(["maxmemory", String(32 * 2 ** 20)]);
  expect(await flat("MAXMEMORY*")).toEqual([
    "maxmemory",
    String(32 * 2 ** 20),
    "maxmemory-policy",
    "noeviction",
  ]);
  expect(await flat("sav?", "databases")).toEqual(["save", "", "databases", "1"]);
  expect(await flat("max.emory", "(a+)+$", "*".repeat(200))).toEqual([]);
  expect(await flat(`${"*a".repeat(30)}b`)).toEqual([]);
});

test("CONFIG SET is refused, with the reason", async () => {
  const client = await open();
  expect(await client.send("CONFIG", "SET", "maxmemory", "1")).toMatchObject({
    line: expect.stringMatching(/^UNKNOWNCMD CONFIG knows only GET/),
  });
  expect(errorPrefix(await client.send("CONFIG", "GET"))).toBe("UNKNOWNCMD");
});
