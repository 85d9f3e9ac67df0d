import { describe, expect, test } from "vitest";
import { MayflyError } from "../../../src/errors.ts";
import { groupOf } from "../../../src/placement/groups.ts";
import { anyBytes } from "../../support/written-keys.ts";
import { job } from "../relocation/fake-fleet.ts";
import { SpillFleet, type SpillFleetOptions } from "./spill-fleet.ts";

const mebibyte = 2 ** 20;
const code = { d: 2, p: 1 };
const placement = [[1, 2, 3]];
const small = { nodes: 3, nodeMemoryBytes: 8 * mebibyte };

/** Writes objects of 100 kB until a node is as full as that; their keys, oldest first. */
async function fill(fleet: SpillFleet, share: number, prefix = "k"): Promise<string[]> {
  const keys: string[] = [];
  while (fleet.fill < share) {
    const key = `${prefix}${keys.length}`;
    fleet.putObject(key, anyBytes(100_000), code, placement);
    keys.push(key);
  }
  return keys;
}

async function filled(
  share: number,
  options: Partial<SpillFleetOptions> = {},
): Promise<{ fleet: SpillFleet; keys: string[] }> {
  const fleet = new SpillFleet({ ...small, ...options });
  return { fleet, keys: await fill(fleet, share) };
}

const inStore = (fleet: SpillFleet, keys: readonly string[]): string[] =>
  keys.filter((key) => fleet.refAt(key).stripes === undefined);

function expectAllRight(fleet: SpillFleet, keys: readonly string[]): void {
  for (const key of keys) {
    if (fleet.refAt(key).stripes === undefined) {
      const coded = fleet.objects.get(fleet.refAt(key).object)!;
      const data = coded.shards.filter(({ index }) => index < code.d).map(({ payload }) => payload);
      expect(fleet.storedBytesOf(key).equals(Buffer.concat(data))).toBe(true);
    } else expect(fleet.faults(key)).toEqual([]);
  }
}

describe("memory above the high mark", () => {
  test("is emptied to the low one: the coldest objects lie in the store, few requests, and nothing is left behind", async () => {
    const { fleet, keys } = await filled(0.85);
    await fleet.until("the low mark is reached", () => fleet.fill <= 0.71);
    await fleet.clock.advance(5000);
    const spilled = inStore(fleet, keys);
    expect(spilled.length).toBeGreaterThan(10);
    // Three primaries, each with its own: so the coldest third is gone, and the warmest third is not.
    expect(spilled).not.toContain(keys.at(-1));
    expect(fleet.fill).toBeGreaterThan(0.5);
    expectAllRight(fleet, keys);
    expect(fleet.strays()).toEqual([]);
    expect(fleet.objectStore.counts.puts).toBeLessThan(spilled.length / 5);
    const counted = [...fleet.spills.values()].map((spill) => spill.report().objects);
    expect(counted.reduce((sum, count) => sum + count, 0)).toBe(spilled.length);
  });

  test("and below it nothing moves", async () => {
    const { fleet, keys } = await filled(0.75);
    await fleet.clock.advance(5000);
    expect(inStore(fleet, keys)).toEqual([]);
    expect(fleet.objectStore.counts.puts).toBe(0);
  });

  test("what was read lately stays longer than what was not", async () => {
    const { fleet, keys } = await filled(0.78);
    for (const key of keys.slice(0, 20)) fleet.read(key);
    const more = await fill(fleet, 0.85, "more");
    await fleet.until("the low mark is reached", () => fleet.fill <= 0.71);
    const spilled = inStore(fleet, [...keys, ...more]);
    expect(spilled.filter((key) => keys.slice(0, 20).includes(key))).toEqual([]);
    expect(spilled.length).toBeGreaterThan(5);
  });

  test("keys that somebody waits for stay", async () => {
    const { fleet, keys } = await filled(0.9, { isWaitedFor: (name) => name.endsWith("1") });
    await fleet.until("the low mark is reached", () => fleet.fill <= 0.71);
    const spilled = inStore(fleet, keys);
    expect(spilled.length).toBeGreaterThan(5);
    expect(spilled.filter((key) => key.endsWith("1"))).toEqual([]);
  });

  test("data shards that are lost are rebuilt from parity on the way", async () => {
    const fleet = new SpillFleet({ ...small, nodes: 4 });
    const keys = await fill(fleet, 0.85);
    for (const key of keys) {
      const { object } = fleet.refAt(key);
      fleet.node(1).shards.free(job, { object, stripe: 0, index: 0 });
    }
    fleet.putObject("more", anyBytes(700_000), code, [[2, 3, 4]]);
    await fleet.until("something is spilled", () => inStore(fleet, keys).length > 10);
    expectAllRight(fleet, inStore(fleet, keys));
  });

  test("an object larger than a pack goes whole, in several stripes", async () => {
    const fleet = new SpillFleet({ ...small, nodeMemoryBytes: 16 * mebibyte });
    const bytes = anyBytes(3_500_000);
    fleet.putObject(
      "large",
      bytes,
      code,
      Array.from({ length: 4 }, () => placement[0]!),
    );
    await fill(fleet, 0.85);
    await fleet.until("it is spilled", () => inStore(fleet, ["large"]).length === 1);
    expect(fleet.storedBytesOf("large").equals(bytes)).toBe(true);
    expect(fleet.refAt("large").stored!.offset).toBe(0);
  });
});

describe("what happens meanwhile", () => {
  test.each(["deleted", "overwritten"] as const)(
    "an object that is %s before its ref changes",
    async (how) => {
      const { fleet, keys } = await filled(0.85);
      let hit: string | undefined;
      fleet.onRelocate = (name) => {
        if (hit !== undefined) return;
        hit = name;
        if (how === "deleted") fleet.delete(name);
        else fleet.putObject(name, anyBytes(90_000), code, placement);
      };
      await fleet.until("the low mark is reached", () => fleet.fill <= 0.71);
      expect(hit).toBeDefined();
      const left = keys.filter((key) => how === "overwritten" || key !== hit);
      expectAllRight(fleet, left);
      if (how === "overwritten") expect(fleet.refAt(hit!).stripes).toBeDefined();
    },
  );

  test("a row that moves between the write and the change of the ref: the memory copy stays", async () => {
    const { fleet, keys } = await filled(0.85);
    let hit: string | undefined;
    fleet.onRelocate = (name) => {
      hit ??= name;
      if (name === hit) throw new MayflyError("MOVED", "another node leads the row");
    };
    await fleet.until("something is spilled", () => inStore(fleet, keys).length > 5);
    expect(hit).toBeDefined();
    expect(fleet.refAt(hit!).stripes).toBeDefined();
    expectAllRight(fleet, keys);
  });

  test("a store that is down for a while: nothing is lost, the reason is said, and it goes on", async () => {
    const fleet = new SpillFleet(small);
    let down = true;
    fleet.objectStore.onCall = (call) => {
      if (down && call === "put") throw new MayflyError("STORE_UNAVAILABLE", "the store is on fire");
    };
    const keys = await fill(fleet, 0.9);
    await fleet.clock.advance(20_000);
    expect(inStore(fleet, keys)).toEqual([]);
    expectAllRight(fleet, keys);
    const spill = fleet.spills.get(1)!;
    expect(spill.report().failing).toBe("the store is on fire");
    expect(spill.pressure.refusal(1, 100).message).toContain("the store is on fire");
    // It is not asked as fast as it answers.
    expect(fleet.objectStore.counts.puts).toBeLessThan(60);
    down = false;
    await fleet.until("the low mark is reached", () => fleet.fill <= 0.71);
    expect(spill.report().failing).toBeUndefined();
    expectAllRight(fleet, keys);
  });
});

describe("stored objects that nothing names", () => {
  test("are deleted when the last of their objects is", async () => {
    const { fleet, keys } = await filled(0.85);
    await fleet.until("the low mark is reached", () => fleet.fill <= 0.71);
    for (const key of keys.slice(0, -1)) fleet.delete(key);
    await fleet.clock.advance(60_000);
    expect([...fleet.objectStore.objects.keys()]).toEqual([]);
  });

  test("stay when another node may name them by now", async () => {
    const { fleet, keys } = await filled(0.85);
    await fleet.until("the low mark is reached", () => fleet.fill <= 0.71);
    await fleet.clock.advance(1000);
    const [spilled] = inStore(fleet, keys);
    const { name } = fleet.refAt(spilled!).stored!;
    const inPack = keys.filter((key) => fleet.refAt(key).stored?.name === name);
    fleet.lead(spilled!, (fleet.primary(spilled!).id % 3) + 1);
    for (const key of inPack)
      if (groupOf(Buffer.from(key)) !== groupOf(Buffer.from(spilled!))) fleet.delete(key);
    await fleet.clock.advance(60_000);
    expect(fleet.objectStore.objects.has(name)).toBe(true);
  });
});

describe("an object that is read again and again", () => {
  /** One that was spilled and is read twice while nearly everything else is gone. */
  async function readBack(): Promise<{ fleet: SpillFleet; key: string }> {
    const { fleet, keys } = await filled(0.85);
    for (const key of keys) fleet.spillOf(key).groupActivated(groupOf(Buffer.from(key)));
    await fleet.until("the low mark is reached", () => fleet.fill <= 0.71);
    await fleet.clock.advance(31_000);
    const key = inStore(fleet, keys)[0]!;
    for (const each of keys) {
      const { object, stripes } = fleet.refAt(each);
      if (each === key || fleet.fill <= 0.5) continue;
      for (const [index, node] of (stripes?.[0] ?? []).entries()) {
        fleet.nodes.get(node)!.shards.free(job, { object, stripe: 0, index });
      }
      fleet.delete(each);
    }
    fleet.read(key);
    await fleet.clock.advance(1000);
    expect(fleet.refAt(key).stripes).toBeUndefined();
    fleet.read(key);
    await fleet.until("it is back", () => fleet.refAt(key).stripes !== undefined);
    return { fleet, key };
  }

  test("comes back when there is room, and its stored copy stays", async () => {
    const { fleet, key } = await readBack();
    expect(fleet.faults(key)).toEqual([]);
    expect(fleet.refAt(key).stored).toBeDefined();
    expect(fleet.spillOf(key).report()).toMatchObject({ readBackObjects: 1 });
  });

  test("is spilled again without a request", async () => {
    const { fleet, key } = await readBack();
    fleet.objectStore.onCall = () => {
      throw new MayflyError("STORE_UNAVAILABLE", "down");
    };
    await fill(fleet, 0.9, "more");
    await fleet.until("it is spilled", () => fleet.refAt(key).stripes === undefined, 60_000);
    fleet.objectStore.onCall = () => undefined;
    expect(fleet.storedBytesOf(key)).toHaveLength(100_000);
  });

  test("stays in the store while memory is short", async () => {
    const { fleet, keys } = await filled(0.85);
    await fleet.until("the low mark is reached", () => fleet.fill <= 0.71);
    await fleet.clock.advance(31_000);
    const [key] = inStore(fleet, keys);
    for (let i = 0; i < 5; i++) fleet.read(key!);
    await fleet.clock.advance(20_000);
    expect(fleet.refAt(key!).stripes).toBeUndefined();
    expect(fleet.objectStore.counts.gets).toBe(0);
  });
});
