/** One node of the fleet asks another one. */
import type { Argument, RequestOptions } from "../../client/transport/connection.ts";
import type { FleetView } from "../../client/transport/fleet-view.ts";
import type { NodePool, Traffic } from "../../client/transport/node-pool.ts";
import { MayflyError } from "../../src/errors.ts";
import type { NodeId } from "../../src/ids.ts";
import type { RespValue } from "../../src/wire/resp-value.ts";

/** Rejects as `Connection.request` does, and with NODE_UNREACHABLE for a node that is dead or gone by the map. */
export type AskNode = (
  node: NodeId,
  traffic: Traffic,
  name: string,
  args: readonly Argument[],
  options: RequestOptions,
) => Promise<RespValue>;

export function askThrough(view: Pick<FleetView, "node">, pool: Pick<NodePool, "connection">): AskNode {
  return async (node, traffic, name, args, options) => {
    const entry = view.node(node);
    if (entry === undefined || entry.state === "dead") {
      throw new MayflyError("NODE_UNREACHABLE", `node ${node} is dead or gone.`);
    }
    return await pool.connection(entry, traffic).request(name, args, options);
  };
}
