/** `mayfly scale`: the fleet gets another size. */
import { MayflyError } from "../errors.ts";
import type { ScaleProgress } from "../wire/control-api.ts";
import { controllerOption, withController } from "./fleet-access.ts";
import { follow } from "./follow.ts";
import { parseCount } from "./option.ts";
import { defineVerb } from "./verb.ts";

const parseNodes = parseCount(1, 4096);
/** What the controller takes for: let the autoscaler decide. */
const auto = 0;

export const scaleVerb = defineVerb({
  name: "scale",
  summary: "give the fleet another number of nodes",
  usage: "NODES|auto",
  description:
    "Starts nodes, or empties the emptiest ones and lets them go: no operation fails and nothing is lost. Never goes " +
    "below what the jobs alive need. Ends when the fleet has that size and its rows are where they should be; it goes on " +
    "without this command, too. With an autoscaler the fleet keeps that size until: mayfly scale auto",
  options: { controller: controllerOption },
  examples: ["mayfly scale 6", "mayfly scale auto"],
  async run({ options, positionals, json, stderr, clock, print, note }) {
    const nodes = positionals[0] === "auto" ? auto : parseNodes(positionals[0]!, "NODES");
    const last = await withController(options.controller, async (controller) => {
      const first = await controller.scale(nodes);
      if (nodes === auto) return first;
      const poll = () => controller.scaleProgress();
      return follow({ stream: stderr, clock, enabled: !json, first, poll, describe, isDone });
    });
    if (json) print(JSON.stringify(last));
    else if (nodes === auto) note(`The autoscaler decides how many nodes there are, now ${last.active}.`);
    else note(`The fleet has ${last.active} node${last.active === 1 ? "" : "s"}.`);
  },
});

function isDone({ done, blocked, active, desired, reasons }: ScaleProgress): boolean {
  if (!blocked) return done;
  throw new MayflyError(
    "NOT_ENOUGH_NODES",
    `The fleet stays at ${active} nodes instead of ${desired} for now: ${reasons.join("; ")}.`,
  );
}

function describe({ desired, active, starting, draining, rowsMoving, reasons }: ScaleProgress): string {
  const parts = [
    `${active} of ${desired} nodes`,
    ...(starting > 0 ? [`${starting} starting`] : []),
    ...(draining > 0 ? [`${draining} draining`] : []),
    ...(rowsMoving > 0 ? [`${rowsMoving} rows moving`] : []),
    ...reasons,
  ];
  return parts.join(", ");
}
