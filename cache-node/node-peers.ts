/** Other nodes over sockets: see replication/peers.ts. */
import type { Argument } from "../client/transport/connection.ts";
import { startDeadline } from "../client/transport/deadline.ts";
import type { FleetView } from "../client/transport/fleet-view.ts";
import type { NodePool } from "../client/transport/node-pool.ts";
import type { Clock } from "../src/clock.ts";
import { MayflyError } from "../src/errors.ts";
import type { Group, NodeId } from "../src/ids.ts";
import { formatEpoch } from "../src/placement/epoch.ts";
import type { Epoch } from "../src/placement/types.ts";
import { effectsBatch } from "../src/wire/cell.ts";
import type { RespValue } from "../src/wire/resp-value.ts";
import type { Peers } from "./replication/peers.ts";

export interface NodePeersOptions {
  readonly clock: Clock;
  readonly pool: NodePool;
  readonly view: FleetView;
  readonly grantMs: () => number;
  readonly encodedMap: () => Uint8Array | undefined;
}

const timeoutMs = 5000;

export class NodePeers implements Peers {
  readonly #options: NodePeersOptions;
  readonly #exchanges = new Map<NodeId, Promise<void>>();

  constructor(options: NodePeersOptions) {
    this.#options = options;
  }

  async replicate(node: NodeId, encoded: readonly Uint8Array[]): Promise<readonly Group[]> {
    const args = [this.#options.view.epochText, effectsBatch(encoded)];
    const refused = await this.#request(node, "MF.REPLICATE", args, timeoutMs);
    if (Array.isArray(refused)) return refused.filter((group) => typeof group === "number") as Group[];
    throw new MayflyError("PROTOCOL", `node ${node} answered MF.REPLICATE with something that is no list.`);
  }

  async grant(node: NodeId): Promise<number> {
    const { view, grantMs } = this.#options;
    const granted = await this.#request(node, "MF.GRANT", [view.epochText], (grantMs() * 2) / 3);
    if (typeof granted === "number") return granted;
    throw new MayflyError("PROTOCOL", `node ${node} answered MF.GRANT with something that is no time.`);
  }

  async sealed(node: NodeId, epoch: Epoch): Promise<void> {
    await this.#request(node, "MF.SEALED", [formatEpoch(epoch)], this.#options.grantMs());
  }

  /** Those who want it at the same time share one exchange. */
  exchangeMaps(node: NodeId): Promise<void> {
    let exchange = this.#exchanges.get(node);
    if (exchange === undefined) {
      exchange = this.#exchangeMaps(node).finally(() => this.#exchanges.delete(node));
      this.#exchanges.set(node, exchange);
    }
    return exchange;
  }

  async #exchangeMaps(node: NodeId): Promise<void> {
    const { clock, view, encodedMap } = this.#options;
    const mine = encodedMap();
    try {
      const theirs = await this.#request(node, "MF.MAP", [view.epochText], timeoutMs);
      if (theirs instanceof Uint8Array) view.offer(theirs);
      else if (mine !== undefined) await this.#request(node, "MF.MAP.OFFER", [mine], timeoutMs);
    } catch {
      // Heartbeats bring the map, too.
      await view
        .refresh(startDeadline(clock, timeoutMs, undefined, "exchange of maps"))
        .catch(() => undefined);
    }
  }

  async #request(
    node: NodeId,
    name: string,
    args: readonly Argument[],
    withinMs: number,
  ): Promise<RespValue> {
    const { clock, pool, view } = this.#options;
    const entry = view.node(node);
    if (entry === undefined) throw new MayflyError("NODE_UNREACHABLE", `node ${node} is not in the map.`);
    const deadline = startDeadline(clock, withinMs, undefined, `${name} to node ${node}`);
    return await pool.connection(entry, "small").request(name, args, { deadline });
  }
}
