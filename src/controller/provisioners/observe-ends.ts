/** A provisioner whose nodes' ends are told: sooner than anybody would miss their heartbeats. */
import type { ProvisionedNode, Provisioner } from "./provisioner.ts";

export function observeEnds(provisioner: Provisioner, onEnded: (node: ProvisionedNode) => void): Provisioner {
  return {
    startsNodes: provisioner.startsNodes,
    async start(spec) {
      const node = await provisioner.start(spec);
      void node.ended.then(() => onEnded(node));
      return node;
    },
    stop: (node) => provisioner.stop(node),
    stopAll: () => provisioner.stopAll(),
  };
}
