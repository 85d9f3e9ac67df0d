/** What lies where at the end: looked at from outside, at all nodes at once. */
import type { Rng } from "../../src/clock.ts";
import type { Group, JobNumber, NodeId } from "../../src/ids.ts";
import { objectIdHex } from "../../src/ids.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import { decodeRef, type Ref } from "../../src/wire/ref.ts";
import { storedBytes, stripeAt } from "../../src/wire/stripe-layout.ts";
import type { SimNode } from "./node.ts";
import { rot } from "./object-faults.ts";
import type { World } from "./world.ts";

export interface CommittedObject {
  readonly job: JobNumber;
  readonly key: string;
  readonly ref: Ref;
}

/** The objects that the primaries know. */
export function committedObjects(world: World): CommittedObject[] {
  const map = world.controller.fleet?.state.map;
  return (map?.rows ?? []).flatMap((row, group) => {
    const node = livingNode(world, row.nodes[0]);
    if (node === undefined || !node.replicas.rows.serves(group as Group)) return [];
    return [...node.replicas.cells.refs(group as Group)].map(({ job, name, value }) => ({
      ...{ job, key: name, ref: decodeRef(Buffer.from(value)) },
    }));
  });
}

/** Shards that an object that was committed at this moment lacks, as text: its writer has waited for all of them. */
export function missingShards(world: World, job: JobNumber, key: string, ref: Ref): string[] {
  return (ref.stripes ?? []).flatMap((placed, stripe) =>
    placed.flatMap((id, index) => {
      const node = livingNode(world, id);
      if (node === undefined || node.shards.get(job, { object: ref.object, stripe, index }) !== undefined)
        return [];
      return [`the object at ${key} is committed, and node ${id} has no shard ${index} of stripe ${stripe}`];
    }),
  );
}

/** Whether no node that lives knows of a newer generation of the row than this map has. */
export function isNewest({ nodes }: World, group: Group, map: FleetMap | undefined): boolean {
  const generation = map?.rows[group]?.generation ?? 0;
  return nodes.every(
    ({ process, map: other }) => !process.alive || (other?.rows[group]?.generation ?? 0) <= generation,
  );
}

/** Objects with shards on nodes that the controller knows to be dead, although it says that all is mended, as text. */
export function notMended(world: World): string[] {
  const map = world.controller.fleet?.state.map;
  const alive = new Set(map?.nodes.filter(({ state }) => state !== "dead").map(({ id }) => id));
  return committedObjects(world).flatMap(({ key, ref }) => {
    const dead = (ref.stripes ?? []).flat().filter((id) => !alive.has(id));
    return dead.length === 0
      ? []
      : [`all is said to be mended, and the object at ${key} is on nodes ${dead}, which are dead`];
  });
}

function livingNode({ nodes }: World, id: NodeId | undefined): SimNode | undefined {
  return nodes.find((node) => node.process.alive && node.id === id);
}

/** Shards that are not where they should be, and shards that should not be there, as text. */
export function misplacedShards(world: World): string[] {
  const active = new Set(
    world.controller.fleet?.state.map.nodes.filter(({ state }) => state === "active").map(({ id }) => id),
  );
  const named = new Set<string>();
  const wrong: string[] = [];
  for (const { job, key, ref } of committedObjects(world)) {
    const { object } = ref;
    for (const [stripe, placed] of (ref.stripes ?? []).entries()) {
      const what = `object ${objectIdHex(object).slice(0, 10)} at ${key}, stripe ${stripe}:`;
      if (new Set(placed).size !== placed.length) wrong.push(`${what} a node twice, ${placed}`);
      for (const [index, id] of placed.entries()) {
        named.add(`${id} ${object} ${stripe} ${index}`);
        const node = livingNode(world, id);
        if (!active.has(id) || node === undefined) {
          wrong.push(
            `${what} shard ${index} on node ${id}, which is ${node === undefined ? "dead" : "leaving"}`,
          );
        } else if (node.shards.get(job, { object, stripe, index }) === undefined) {
          wrong.push(`${what} no shard ${index} on node ${id}`);
        }
      }
    }
  }
  for (const { id, shards, process } of world.nodes) {
    if (!process.alive) continue;
    for (const job of shards.jobs()) {
      for (const [key] of shards.shardsOf(job)) {
        const object = key.slice(0, 16);
        const [high, low, index] = [16, 17, 18].map((at) => key.charCodeAt(at));
        if (named.has(`${id} ${object} ${high! * 256 + low!} ${index}`)) continue;
        const hex = Buffer.from(object, "latin1").toString("hex").slice(0, 10);
        wrong.push(`node ${id} has a shard of object ${hex} that no ref names`);
      }
    }
  }
  return wrong;
}

/** Damages the first shard of the object at a key. */
export function rotOne(world: World, key: string): undefined {
  const { job, ref } = committedObjects(world).find((each) => each.key === key)!;
  const shard = livingNode(world, ref.stripes![0]![0])!.shards.get(job, { ...ref, stripe: 0, index: 0 })!;
  const bytes = shard.block.view();
  bytes[0] = bytes[0]! ^ 1;
}

/** Damages as many shards of each stripe as parity replaces. @param rotten how many of each may be damaged already */
export function rotAll(world: World, rng: Rng, rotten: number): void {
  for (const { job, ref } of committedObjects(world)) {
    const { code, object, sizeBytes } = ref;
    for (const [stripe, placed] of (ref.stripes ?? []).entries()) {
      const first = Math.floor(rng.random() * placed.length);
      for (let i = 0; i < code.p - rotten; i++) {
        const index = (first + i) % placed.length;
        if (storedBytes(stripeAt(sizeBytes, code, stripe), code, index) === 0) continue;
        const shard = livingNode(world, placed[index])?.shards.get(job, { object, stripe, index });
        if (shard !== undefined) rot(shard.block.view(), rng);
      }
    }
  }
}
