/** Where the shards of a stripe go: distinct nodes, drawn by write weight from the writer's map. */
import type { Rng } from "../clock.ts";
import { MayflyError } from "../errors.ts";
import type { NodeId } from "../ids.ts";
import type { FleetMap } from "./types.ts";

/** Beside any real weight it is nothing. */
const fullWeight = 1e-9;

/**
 * `count` distinct nodes among the active ones, in random order. Each next node is drawn with probability
 * weight / (sum of the weights of those not drawn yet), which is weighted sampling without replacement. Full nodes, which
 * have no weight, are drawn only where there are too few others: they take a shard as soon as something was freed, and
 * answer BUSY until then, so that a writer waits instead of failing.
 *
 * A pass over the weights for each draw, no logarithms and no sorting: it runs once a stripe, and fleets are small.
 *
 * @throws MayflyError NOT_ENOUGH_NODES when fewer than `count` can be drawn.
 */
export function drawNodes(map: FleetMap, count: number, rng: Rng, avoid?: ReadonlySet<NodeId>): NodeId[] {
  const ids: NodeId[] = [];
  const weights: number[] = [];
  let weightLeft = 0;
  for (const node of map.nodes) {
    if (node.state !== "active" || avoid?.has(node.id) === true) continue;
    const weight = node.weight || fullWeight;
    ids.push(node.id);
    weights.push(weight);
    weightLeft += weight;
  }
  if (ids.length < count) throw notEnoughNodes(map, count, ids.length, avoid);
  const drawn: NodeId[] = [];
  while (drawn.length < count) {
    let ticket = rng.random() * weightLeft;
    let at = 0;
    while (ticket >= weights[at]! && at < ids.length - 1) ticket -= weights[at++]!;
    drawn.push(ids[at]!);
    weightLeft -= weights[at]!;
    // The last candidate takes the place of the drawn one.
    ids[at] = ids[ids.length - 1]!;
    weights[at] = weights[weights.length - 1]!;
    ids.pop();
    weights.pop();
  }
  return drawn;
}

function notEnoughNodes(
  map: FleetMap,
  count: number,
  usable: number,
  avoid: ReadonlySet<NodeId> | undefined,
): MayflyError {
  const active = map.nodes.filter((node) => node.state === "active");
  const avoided = active.filter((node) => avoid?.has(node.id) === true).length;
  const reasons = [
    `${active.length} of ${map.nodes.length} nodes are active`,
    ...(avoided > 0 ? [`${avoided} of them just failed`] : []),
  ];
  return new MayflyError(
    "NOT_ENOUGH_NODES",
    `a stripe needs ${count} nodes and ${usable} can take a shard (${reasons.join(", ")}); ` +
      "start more nodes, or use a smaller code (mayfly job create --code)",
  );
}
