/** What a node asks of other nodes for the sake of its rows. Real ones go over sockets; simulations have their own. */
import type { Group, NodeId } from "../../src/ids.ts";
import type { Epoch } from "../../src/placement/types.ts";

export interface Peers {
  /** Sends encoded effects; answers the groups that were refused. @throws MayflyError MOVED, BUSY, NODE_UNREACHABLE, DEADLINE_EXCEEDED */
  replicate(node: NodeId, encoded: readonly Uint8Array[]): Promise<readonly Group[]>;
  /** Asks for a grant; answers for how long. @throws MayflyError MOVED when the two have different maps, and as above */
  grant(node: NodeId): Promise<number>;
  /** Resolves once the other has this map, or a newer one. @throws MayflyError MOVED when it has an older one, and as above */
  sealed(node: NodeId, epoch: Epoch): Promise<void>;
  /** One of the two has an older map: gives the other ours, and asks for a newer one. Never rejects. */
  exchangeMaps(node: NodeId): Promise<void>;
}
