/** The options of verbs that start a controller with an autoscaler, whose nodes are processes of this machine. */
import type { ScalePolicy } from "../controller/autoscale/scale-policy.ts";
import { option, type Parse, parseCount, parseText } from "./option.ts";
import { parsePolicy } from "./replay.ts";
import { UsageError } from "./usage-error.ts";
import type { OptionValues } from "./verb.ts";

/** Node processes on one machine. */
export const nodesMax = 64;

export interface NodeRange {
  readonly min: number;
  readonly max: number;
}

/** "3..12" */
const parseRange: Parse<NodeRange> = (text, what) => {
  const [, min = "", max = ""] = /^(\d{1,4})\.\.(\d{1,4})$/.exec(text) ?? [];
  const range = { min: Number(min), max: Number(max) };
  if (min !== "" && range.min >= 1 && range.min <= range.max && range.max <= nodesMax) return range;
  throw new UsageError(
    `${what} is ${JSON.stringify(text)}; it takes the fewest and the most nodes, 1 to ${nodesMax}, like 3..12`,
  );
};

export const autoscaleOptions = {
  autoscale: option({
    value: "MIN..MAX",
    help: "start and drain nodes as jobs need them; --memory is then that of MAX nodes together",
    parse: parseRange,
  }),
  "node-start-ms": option({
    value: "MS",
    help: "with --autoscale: how long a node takes to start",
    parse: parseCount(1, 3_600_000),
    defaultNote: "1000",
  }),
  policy: option({
    value: "KEY=VALUE,...",
    help: "with --autoscale: other numbers of the policy (see: mayfly replay --help)",
    parse: parsePolicy,
  }),
  "decision-log": option({
    value: "FILE",
    help: "with --autoscale: write its decisions there",
    parse: parseText,
    defaultNote: "decisions.jsonl in the directory of --state",
  }),
};

export interface AutoscaleSettings {
  readonly autoscale?: Partial<ScalePolicy>;
  readonly decisionLog?: string;
}

/** What a controller is told. @throws UsageError for what makes sense with --autoscale only, and for a wrong count of nodes */
export function autoscaleSettings(
  given: OptionValues<typeof autoscaleOptions>,
  nodes: number | undefined,
): AutoscaleSettings {
  const { autoscale: range, policy } = given;
  const [startMs, decisionLog] = [given["node-start-ms"], given["decision-log"]];
  if (range === undefined) {
    const useless = (["node-start-ms", "policy", "decision-log"] as const).find(
      (name) => given[name] !== undefined,
    );
    if (useless === undefined) return {};
    throw new UsageError(`--${useless} is for the autoscaler; add --autoscale MIN..MAX`);
  }
  if (nodes !== undefined && (nodes < range.min || nodes > range.max)) {
    throw new UsageError(
      `--nodes ${nodes} is outside of --autoscale ${range.min}..${range.max}; leave it out to begin with ${range.min}`,
    );
  }
  return {
    autoscale: {
      ...policy,
      ...{ nodesMin: range.min, nodesMax: range.max },
      ...(startMs !== undefined && { startMs }),
    },
    ...(decisionLog !== undefined && { decisionLog }),
  };
}
