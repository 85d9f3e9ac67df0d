/** What members of a row say to one another: effects, and grants. */
import { parseEpoch } from "../../src/placement/epoch.ts";
import { decodeEffects } from "../../src/wire/cell.ts";
import type { NodeCore } from "../node-core.ts";
import { type Command, senderOf, textArg } from "../server/call.ts";

export function replicationCommands(core: NodeCore): readonly Command[] {
  const common = { scope: "fleet", tagged: true } as const;
  return [
    {
      /** `MF.REPLICATE tag epoch effects` -> the groups that need a snapshot */
      ...{ ...common, name: "MF.REPLICATE", args: { min: 4, max: 4 } },
      handle: (call) => {
        const refused = core.replicas.take(senderOf(call), decodeEffects(Buffer.from(call.args[3]!)));
        call.reply((writer) => {
          writer.arrayHeader(refused.length);
          for (const group of refused) writer.integer(group);
        });
      },
    },
    {
      /** `MF.GRANT tag epoch` -> milliseconds */
      ...{ ...common, name: "MF.GRANT", args: { min: 3, max: 3 } },
      handle: (call) => {
        const grantMs = core.replicas.grant(senderOf(call), parseEpoch(textArg(call, 2)));
        call.reply((writer) => writer.integer(grantMs));
      },
    },
    {
      /** `MF.SEALED tag epoch` -> `OK` when this node has a map that is not older */
      ...{ ...common, name: "MF.SEALED", args: { min: 3, max: 3 } },
      handle: (call) => {
        core.replicas.checkSealed(parseEpoch(textArg(call, 2)));
        call.reply((writer) => writer.simple("OK"));
      },
    },
  ];
}
