/** Where the shards of a stripe go: distinct nodes, drawn by write weight from the writer's map. */
import type { Rng } from "../clock.ts";
import { MayflyError } from "../errors.ts";
import type { NodeId } from "../ids.ts";
import type { FleetMap } from "./types.ts";

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
  const add = (id: NodeId, weight: number): void => {
    ids.push(id);
    weights.push(weight);
    weightLeft += weight;
  };
  const full: NodeId[] = [];
  for (const { id, state, weight } of map.nodes) {
    if (state !== "active" || avoid?.has(id) === true) continue;
    if (weight > 0) add(id, weight);
    else full.push(id);
  }
  while (ids.length < count && full.length > 0) {
    const [id] = full.splice(Math.floor(rng.random() * full.length), 1);
    add(id!, 1);
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
    ...(avoided > 0 ? [`${avoided} of them just failed to answer`] : []),
  ];
  return new MayflyError(
    "NOT_ENOUGH_NODES",
    `a stripe needs ${count} nodes and ${usable} can take a shard (${reasons.join(", ")}); ` +
      "start more nodes, or create the job with a smaller code (mayfly job create --code)",
  );
}
