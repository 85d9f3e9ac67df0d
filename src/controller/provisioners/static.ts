/** For fleets whose nodes are started by somebody else. */
import { MayflyError } from "../../errors.ts";
import type { Provisioner } from "./provisioner.ts";

export function createStaticProvisioner(): Provisioner {
  return {
    startsNodes: false,
    async start({ controllerUrl, memoryBytes }) {
      throw new MayflyError(
        "INVALID_ARGUMENT",
        "this controller does not start nodes itself; start one by hand: " +
          `mayfly node --controller ${controllerUrl} --memory ${memoryBytes}`,
      );
    },
    async stop() {},
    async stopAll() {},
  };
}
