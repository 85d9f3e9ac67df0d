/** `mayfly drain`: a node is emptied and goes. */
import { MayflyError } from "../errors.ts";
import type { NodeProgress } from "../wire/control-api.ts";
import { controllerOption, withController } from "./fleet-access.ts";
import { follow } from "./follow.ts";
import { flag, option, parseCount } from "./option.ts";
import { formatBytes, formatDuration, parseDurationMs } from "./sizes.ts";
import { UsageError } from "./usage-error.ts";
import { defineVerb } from "./verb.ts";

const parseNode = parseCount(1, 2 ** 32 - 1);

export const drainVerb = defineVerb({
  name: "drain",
  summary: "empty a node and let it go, without a loss",
  usage: "NODE",
  description:
    "What the node holds is moved to the others while they serve; then its process ends. Refused when the others would " +
    "be too few for the jobs alive. It goes on without this command, too.",
  options: {
    controller: controllerOption,
    deadline: option({
      value: "DURATION",
      help: "fail when it is not done by then; the node goes on draining",
      parse: parseDurationMs,
    }),
    cancel: flag("stop draining: the node takes shards and rows again"),
  },
  examples: ["mayfly drain 3", "mayfly drain 3 --deadline 2m", "mayfly drain 3 --cancel"],
  async run({ options, positionals, json, stderr, clock, print, note }) {
    const node = parseNode(positionals[0]!, "NODE");
    const { cancel, deadline } = options;
    if (cancel && deadline !== undefined)
      throw new UsageError("--cancel has no deadline; give one of the two");
    const last = await withController(options.controller, async (controller) => {
      if (cancel) return await controller.cancelDrain(node);
      const first = await controller.drainNode(node, deadline);
      const poll = () => controller.nodeProgress(node);
      return follow({ stream: stderr, clock, enabled: !json, first, poll, describe, isDone });
    });
    if (json) print(JSON.stringify(last));
    else note(cancel ? `Node ${node} is ${last.state}.` : `Node ${node} is drained and gone.`);
  },
});

function isDone({ node, state, late }: NodeProgress): boolean {
  if (state === "active") {
    throw new MayflyError("ABORTED", `The drain of node ${node} was cancelled; it is active again.`);
  }
  if (state === "draining" && late) {
    throw new MayflyError(
      "DEADLINE_EXCEEDED",
      `Node ${node} is not drained in time. It goes on draining; look with mayfly status, or stop it: ` +
        `mayfly drain ${node} --cancel`,
    );
  }
  return state === "drained";
}

function describe({
  node,
  state,
  rowsLeft,
  objectsLeft,
  bytesLeft,
  etaMs,
  deadlineLeftMs,
}: NodeProgress): string {
  if (state === "drained") return `node ${node}: drained`;
  const parts = [
    `node ${node}: ${rowsLeft} rows and ${objectsLeft} objects (${formatBytes(bytesLeft)}) to move`,
    ...(bytesLeft > 0 && etaMs !== undefined ? [`ETA ${formatDuration(etaMs)}`] : []),
    ...(deadlineLeftMs === undefined ? [] : [`deadline in ${formatDuration(deadlineLeftMs)}`]),
  ];
  return parts.join(", ");
}
