import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { groupOf } from "../../../src/placement/groups.ts";
import type { RespValue } from "../../../src/wire/resp-value.ts";
import { type InProcessFleet, startInProcessFleet } from "../../support/in-process-fleet.ts";
import { errorPrefix, type RawClient } from "../../support/raw-client.ts";
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

const openAt = (node: number) => openJobAt(fleet, node, job);
const open = (key: string | Buffer) => KeyClient.open(fleet, key, job);

describe("MF.CELL.LIST", () => {
  const list = async (client: RawClient, group: number, after: string, limit: number, prefix: string) => {
    const { term, n } = fleet.map.epoch;
    const from = Buffer.from(after, "latin1");
    const reply = await client.tagged("MF.CELL.LIST", `${term}.${n}`, group, from, limit, prefix);
    const [next, last, flat] = reply as [number, Buffer, RespValue[]];
    const keys = flat.filter((_, i) => i % 4 === 0).map((key) => (key as Buffer).toString("latin1"));
    return { next, after: last.toString("latin1"), keys, flat };
  };

  test("pages through a group in order, with version, kind and size", async () => {
    const names = ["a", "b", "b\xff", "ba", "c"].map((name) => `{g}${name}`);
    const group = groupOf(Buffer.from("{g}"));
    const versions: RespValue[] = [];
    for (const name of names) {
      const cell = await open(Buffer.from(name, "latin1"));
      versions.push(await cell.set(Buffer.alloc(name.length)));
    }
    const client = await openAt(fleet.row("{g}")[0]!.id);
    const pages: string[][] = [];
    let after = "";
    for (let next: number = group; next === group; ) {
      const page = await list(client, group, after, 2, "");
      pages.push(page.keys);
      ({ next, after } = page);
    }
    const sorted = [...names].sort();
    expect(pages).toEqual([sorted.slice(0, 2), sorted.slice(2, 4), sorted.slice(4)]);
    const { flat } = await list(client, group, "", 1, "");
    expect(flat).toEqual([Buffer.from("{g}a"), versions[0], "bytes", 4]);
  });

  test("takes a prefix, passes over what is deleted, and tells the size of objects", async () => {
    const group = groupOf(Buffer.from("{h}"));
    for (const name of ["x1", "x2", "y1"]) await (await open(`{h}${name}`)).set("v");
    await (await open("{h}x1")).del();
    const object = await open("{h}x3");
    await object.commit(object.ref());
    const client = await openAt(fleet.row("{h}")[0]!.id);
    const page = await list(client, group, "", 100, "{h}x");
    expect(page.keys).toEqual(["{h}x2", "{h}x3"]);
    expect(page.flat.slice(6)).toEqual(["ref", 100_000]);
  });

  test("goes on to the other groups that are served here, and passes over those that are not", async () => {
    const keys = Array.from({ length: 40 }, (_, i) => `key-${i}`);
    for (const key of keys) await (await open(key)).set("v");
    const listed: string[] = [];
    for (const { nodeId: node } of fleet.nodes) {
      const page = await list(await openAt(node), 0, "", 1000, "key-");
      expect(page.next).toBe(1024);
      expect(page.keys.sort()).toEqual(keys.filter((key) => fleet.row(key)[0]!.id === node).sort());
      listed.push(...page.keys);
    }
    expect(listed.sort()).toEqual([...keys].sort());
  });

  test("is refused to whoever has another map", async () => {
    const client = await openAt(fleet.map.nodes[0]!.id);
    for (const epoch of ["0.0", `${fleet.map.epoch.term}.${fleet.map.epoch.n + 1}`]) {
      expect(errorPrefix(await client.tagged("MF.CELL.LIST", epoch, 0, "", 9, ""))).toBe("MOVED");
    }
  });
});
