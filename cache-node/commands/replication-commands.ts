/** MF.REPLICATE: effects from the primary of some groups to this backup. */
import { decodeEffects } from "../../src/wire/cell.ts";
import type { NodeCore } from "../node-core.ts";
import { type Command, senderOf } from "../server/call.ts";

export function replicationCommands(core: NodeCore): readonly Command[] {
  return [
    {
      ...{ name: "MF.REPLICATE", args: { min: 4, max: 4 }, scope: "fleet", tagged: true },
      handle: (call) => {
        core.backup.apply(senderOf(call), decodeEffects(Buffer.from(call.args[3]!)));
        call.reply((writer) => writer.simple("OK"));
      },
    },
  ];
}
