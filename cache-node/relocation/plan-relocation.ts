/**
 * Decides, and only decides, which shards of an object must move and where to. A shard must leave a node that drains,
 * and is copied from there as long as it is there; one on a node that is dead or gone from the map is rebuilt.
 */
import type { Rng } from "../../src/clock.ts";
import type { NodeId } from "../../src/ids.ts";
import { parityMax } from "../../src/placement/code.ts";
import { drawNodes } from "../../src/placement/draw-nodes.ts";
import type { Code, FleetMap, NodeEntry, NodeState } from "../../src/placement/types.ts";
import type { Ref, RefFields } from "../../src/wire/ref.ts";
import { storedBytes, stripeAt } from "../../src/wire/stripe-layout.ts";

export type NodeStates = ReadonlyMap<NodeId, NodeState>;

const statesKnown = new WeakMap<readonly NodeEntry[], NodeStates>();

/** The states of the nodes of a map, made once for it. */
export function statesOf(nodes: readonly NodeEntry[]): NodeStates {
  let states = statesKnown.get(nodes);
  if (states === undefined) {
    states = new Map(nodes.map(({ id, state }) => [id, state]));
    statesKnown.set(nodes, states);
  }
  return states;
}

export type Fate = "stays" | "leaves" | "gone";

export function fateOf(states: NodeStates, node: NodeId): Fate {
  const state = states.get(node);
  if (state === "active") return "stays";
  return state === "draining" ? "leaves" : "gone";
}

/** What there is to do for one object, leaving out stripes of which nothing can be rebuilt. */
export interface Assessment {
  /** Shards that must move, and their stored bytes. */
  readonly shards: number;
  readonly bytes: number;
  /** The nodes that they must leave, or were lost with. */
  readonly nodes: readonly NodeId[];
  /** Lost shards of the stripe that has the most of them. */
  readonly missingMax: number;
  /** Stripes that have lost more than `p` shards. */
  readonly lostStripes: number;
}

export function assessRef(
  ref: Pick<RefFields, "sizeBytes" | "code" | "stripes" | "stored">,
  states: NodeStates,
): Assessment {
  const { code, sizeBytes, stripes = [], stored } = ref;
  const nodes = new Set<NodeId>();
  let [shards, bytes, missingMax, lostStripes] = [0, 0, 0, 0];
  for (const [index, placed] of stripes.entries()) {
    if (placed.every((node) => states.get(node) === "active")) continue;
    const missing = missingOf(placed, states);
    // What lies in the object store as well is not lost, and its ref is to say so soon.
    if (missing > code.p && stored === undefined) {
      lostStripes += 1;
      continue;
    }
    missingMax = Math.max(missingMax, Math.min(missing, code.p));
    const stripe = stripeAt(sizeBytes, code, index);
    for (const [shard, node] of placed.entries()) {
      if (states.get(node) === "active") continue;
      shards += 1;
      bytes += storedBytes(stripe, code, shard);
      nodes.add(node);
    }
  }
  return { shards, bytes, nodes: [...nodes], missingMax, lostStripes };
}

export const urgencies: number = parityMax + 1;
/** That of objects that one more loss may make unreadable. */
export const mostUrgent = 0;

/** How many more nodes may be lost before a stripe is, 0 first; the last place is for objects that have lost nothing. */
export function urgencyOf({ missingMax }: Assessment, code: Code): number {
  return missingMax === 0 ? urgencies - 1 : code.p - missingMax;
}

/** One more lost node could make it unreadable, and that is not how it was written. */
export function isAtRisk({ missingMax }: Assessment, code: Code): boolean {
  return missingMax > 0 && missingMax === code.p;
}

/** Of some stripe more than `p` shards are gone. */
export function hasLostStripe(
  { stripes = [], code }: Pick<Ref, "stripes" | "code">,
  states: NodeStates,
): boolean {
  return stripes.some((placed) => missingOf(placed, states) > code.p);
}

export interface ShardMove {
  readonly index: number;
  readonly from: NodeId;
  readonly to: NodeId;
  /** `copy`: the node that drains still has it. */
  readonly how: "copy" | "rebuild";
}

export interface StripePlan {
  readonly moves: readonly ShardMove[];
  /** Shards that should move and for which there is no node. */
  readonly homeless: number;
  /** More than `p` shards are gone: nothing of the stripe moves. */
  readonly lost: boolean;
}

/**
 * New nodes for the shards of one stripe, drawn by write weight and distinct from all others of the stripe. With too few
 * nodes lost shards come first.
 * @param avoid nodes that take no shard at the moment
 */
export function planStripe(
  placed: readonly NodeId[],
  code: Code,
  map: FleetMap,
  states: NodeStates,
  rng: Rng,
  avoid: ReadonlySet<NodeId> = new Set(),
): StripePlan {
  if (missingOf(placed, states) > code.p) return { moves: [], homeless: 0, lost: true };
  const indexes = [...placed.keys()];
  const wanted = [
    ...indexes.filter((index) => fateOf(states, placed[index]!) === "gone"),
    ...indexes.filter((index) => fateOf(states, placed[index]!) === "leaves"),
  ];
  const taken = new Set([...placed, ...avoid]);
  const open = map.nodes.filter(
    ({ id, state, weight }) => state === "active" && weight > 0 && !taken.has(id),
  );
  const count = Math.min(wanted.length, open.length);
  const targets = count === 0 ? [] : drawNodes(map, count, rng, taken);
  const moves = targets.map((to, at): ShardMove => {
    const index = wanted[at]!;
    const from = placed[index]!;
    return { index, from, to, how: fateOf(states, from) === "leaves" ? "copy" : "rebuild" };
  });
  return { moves, homeless: wanted.length - count, lost: false };
}

function missingOf(placed: readonly NodeId[], states: NodeStates): number {
  let missing = 0;
  for (const node of placed) if (fateOf(states, node) === "gone") missing += 1;
  return missing;
}
