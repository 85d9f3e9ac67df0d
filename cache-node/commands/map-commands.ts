/** MF.MAP hands on the map; MF.MAP.OFFER takes one from another node. */
import { compareEpochs, parseEpoch } from "../../src/placement/epoch.ts";
import type { NodeCore } from "../node-core.ts";
import { type Call, type Command, textArg } from "../server/call.ts";

export function mapCommands(core: NodeCore): readonly Command[] {
  return [
    {
      ...{ name: "MF.MAP", args: { min: 3, max: 4 }, scope: "any", tagged: true },
      handle: (call) => sendMap(core, call),
    },
    {
      ...{ name: "MF.MAP.OFFER", args: { min: 3, max: 3 }, scope: "fleet", tagged: true },
      handle: (call) => {
        core.view.offer(Buffer.from(call.args[2]!));
        call.reply((writer) => writer.simple("OK"));
      },
    },
  ];
}

/** `MF.MAP tag epoch [node]`: the encoded map, or null when it is not newer than `epoch`. The node cannot be reached. */
function sendMap(core: NodeCore, call: Call): void {
  if (call.args.length > 3) {
    const suspect = core.view.current?.nodes.find(({ id }) => id === Number(textArg(call, 3)));
    if (suspect !== undefined && suspect.state !== "dead") core.replicas.suspect(suspect.id);
  }
  const after = parseEpoch(textArg(call, 2));
  const encoded = core.encodedMap();
  const newer = encoded !== undefined && compareEpochs(core.view.epoch, after) > 0;
  call.reply((writer) => (newer ? writer.bulk(encoded) : writer.null()));
}
