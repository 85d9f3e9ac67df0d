/** Where the shards of a stripe go: distinct nodes, drawn by write weight from the writer's map. */
import type { Rng } from "../clock.ts";
import { MayflyError } from "../errors.ts";
import type { NodeId } from "../ids.ts";
import type { FleetMap } from "./types.ts";

/**
 * `count` distinct nodes among the active ones with a weight, in random order. Each next node is drawn with probability
 * weight / (sum of the weights of those not drawn yet), which is weighted sampling without replacement.
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
    if (node.state !== "active" || node.weight === 0 || avoid?.has(node.id) === true) continue;
    ids.push(node.id);
    weights.push(node.weight);
    weightLeft += node.weight;
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
  const full = active.filter((node) => node.weight === 0).length;
  const avoided = active.filter((node) => node.weight > 0 && avoid?.has(node.id) === true).length;
  const reasons = [
    `${active.length} of ${map.nodes.length} nodes are active`,
    ...(full > 0 ? [`${full} of them full`] : []),
    ...(avoided > 0 ? [`${avoided} of them just failed to answer`] : []),
  ];
  return new MayflyError(
    "NOT_ENOUGH_NODES",
    `a stripe needs ${count} nodes and ${usable} can take a shard (${reasons.join(", ")}); ` +
      "start more nodes, free memory by ending jobs, or create the job with a smaller code (mayfly job create --code)",
  );
}
