/** Nodes with one row between them: what they say to one another arrives at once, unless the test cuts it. */
import { MayflyError } from "../../../src/errors.ts";
import { type Group, type NodeId, nodeId } from "../../../src/ids.ts";
import type { FleetMap } from "../../../src/placement/types.ts";
import { decodeEffects, effectsBatch } from "../../../src/wire/cell.ts";
import { FakeClock } from "../../controller/fake-clock.ts";
import { createNode, type MapChange, mapOf, type Node, turn } from "./cells-fixture.ts";

export interface RowFixture {
  readonly clock: FakeClock;
  readonly nodes: ReadonlyMap<number, Node>;
  /** Nodes that cannot be reached, and reach nobody. */
  readonly away: Set<number>;
  /** What each batch brought, in the order in which they arrived: `from>to kind ...`. */
  readonly heard: string[];
  node(id: number): Node;
  /** Gives a map to the nodes listed, to all by default, and lets them act on it. */
  adopt(map: FleetMap, to?: readonly number[]): Promise<void>;
  /** All nodes get the next generation of the row. */
  change(row: readonly number[], change?: MapChange): Promise<void>;
}

export async function createRow(
  group: Group,
  row: readonly number[] = [1, 2, 3],
  limitBytes?: number,
): Promise<RowFixture> {
  const clock = new FakeClock();
  const nodes = new Map<number, Node>();
  const away = new Set<number>();
  const heard: string[] = [];
  let generation = 1;
  const reach = async (from: NodeId, to: NodeId): Promise<Node> => {
    await Promise.resolve();
    if (!away.has(from) && !away.has(to)) return nodes.get(to)!;
    throw new MayflyError("NODE_UNREACHABLE", `node ${to} cannot be reached from ${from}`);
  };
  for (const id of [1, 2, 3, 4].map(nodeId)) {
    const options = { id, clock, ...(limitBytes !== undefined && { limitBytes }) };
    const made: Node = createNode(
      {
        async replicate(to, encoded) {
          const other = await reach(id, to);
          const effects = decodeEffects(Buffer.concat(effectsBatch(encoded)));
          heard.push(`${id}>${to} ${effects.map(({ kind }) => kind).join(" ")}`);
          return other.replicas.take(id, effects);
        },
        async grant(to) {
          const other = await reach(id, to);
          return other.replicas.grant(id, made.state.map!.epoch);
        },
        sealed: async (to, epoch) => (await reach(id, to)).replicas.checkSealed(epoch),
        exchangeMaps: async () => undefined,
      },
      options,
    );
    nodes.set(id, made);
  }
  const fixture: RowFixture = {
    ...{ clock, nodes, away, heard },
    node: (id) => nodes.get(id)!,
    async adopt(map, to = [...nodes.keys()]) {
      for (const id of to) nodes.get(id)!.adopt(map);
      await turn();
      await clock.advance(50);
    },
    change(members, change = {}) {
      generation = change.generation ?? generation + 1;
      return fixture.adopt(mapOf(members, { only: group, ...change, generation }));
    },
  };
  await fixture.change(row, { generation: 1 });
  return fixture;
}
