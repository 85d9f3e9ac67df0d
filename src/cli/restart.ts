/** `mayfly restart`: every node is replaced by a new one. */
import type { RestartProgress } from "../wire/control-api.ts";
import { controllerOption, withController } from "./fleet-access.ts";
import { follow } from "./follow.ts";
import { flag } from "./option.ts";
import { UsageError } from "./usage-error.ts";
import { defineVerb } from "./verb.ts";

export const restartVerb = defineVerb({
  name: "restart",
  summary: "replace all nodes, one after the other, without a loss",
  usage: "",
  description:
    "Each node of now is emptied and goes once a new one has taken its place. Where nodes are started by hand, start one " +
    "whenever this asks for it. It goes on without this command, too, and after a restart of the controller.",
  options: {
    controller: controllerOption,
    rolling: flag("one node at a time; there is no other way, so it must be given"),
  },
  examples: ["mayfly restart --rolling"],
  async run({ options, json, stderr, clock, print, note }) {
    if (!options.rolling) {
      throw new UsageError("all nodes are to be replaced one after the other: say so with --rolling");
    }
    const last = await withController(options.controller, async (controller) => {
      const first = await controller.restart();
      const poll = () => controller.restartProgress();
      const isDone = ({ done }: RestartProgress): boolean => done;
      return follow({ stream: stderr, clock, enabled: !json, first, poll, describe, isDone });
    });
    if (json) print(JSON.stringify(last));
    else note(`All ${last.total} nodes were replaced.`);
  },
});

function describe({ total, left, draining, starting, reasons }: RestartProgress): string {
  const parts = [
    `${total - left.length} of ${total} nodes replaced`,
    ...(starting > 0 ? [`${starting} starting`] : []),
    ...(draining.length > 0 ? [`node ${draining.join(", ")} draining`] : []),
    ...reasons,
  ];
  return parts.join(", ");
}
