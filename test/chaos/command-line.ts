/** What `npm run chaos` can be told. */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { MayflyError } from "../../src/errors.ts";
import { parseCode } from "../../src/placement/code.ts";
import type { Code } from "../../src/placement/types.ts";
import { type FaultKind, faultKinds } from "./schedule.ts";

export interface ChaosOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly nodes: number;
  readonly code: Code;
  readonly nodeMemoryBytes: number;
  readonly heartbeatMs: number;
  readonly deadAfterMs: number;
  /** A call may return so much later than its timeout, and than this machine stood still meanwhile. */
  readonly slackMs: number;
  /** Without a word of the controller about repair it counts as finished after so long. */
  readonly repairWaitMs: number;
  /** After so long repair counts as never finished, and what was lost as lost for good. */
  readonly repairWithinMs: number;
  readonly faults: ReadonlySet<FaultKind>;
  /** So many nodes may be lost before what they held is repaired. */
  readonly lossesMax: number;
  /** Faults begin so far apart, on average. */
  readonly faultEveryMs: number;
  readonly proxies: boolean;
  readonly sorts: boolean;
  readonly json: boolean;
  /** Where histories and logs of a run that failed go. */
  readonly out: string | undefined;
  readonly keep: boolean;
  readonly mainPath: string;
}

export const help = `Chaos with real processes: a fleet under mixed load while nodes are killed, stopped, cut off, drained and added, and
the controller is killed and restarted; at the end everything is read back and the history is checked.

Usage: npm run chaos -- [options]

  --minutes N        how long load and faults go on; default 1
  --seed N           of load and faults; default 1. What real processes make of it differs from run to run
  --nodes N          size of the fleet; default 7
  --code D+P         of the objects; default 4+2 from 8 nodes on, 2+2 below
  --memory MIB       of each node; default 320
  --faults LIST      only these: ${faultKinds.join(",")}; "none" for load alone
  --fault-every MS   mean time from fault to fault; default 4000
  --losses N         nodes that may be lost before repair is finished; default 2. More is more than is promised
  --heartbeat MS     how often nodes report; default 500
  --dead-after MS    after so long without a report a node is dead; default 2000
  --slack MS         a call may return so much after its timeout, and after what this machine stood still; default 1000
  --repair-wait MS   how long repair takes if the controller does not say; default 10000
  --repair-within MS after so long repair counts as never finished; default 120000
  --proxies          part nodes by proxies, also where network namespaces are possible
  --no-sort          without the running sort
  --out DIR          where history, log and logs of processes go when something was violated; default: a new directory
  --keep             keep them in any case
  --json             the last line of standard output is one object
  --main FILE        the CLI of the build to test; default dist/src/cli/main.js, or MAYFLY_TEST_MAIN

Example: npm run chaos -- --minutes 3 --seed 1 --json

Exit code 0: no acknowledged write was lost, no byte was wrong, no history was not linearizable, no call was late. 1: one
was; a line on standard error says where the evidence is. 2: the run did not come to its end.
`;

/** Undefined: somebody asked for help. @throws MayflyError INVALID_ARGUMENT */
export function parseCommandLine(args: readonly string[], env: NodeJS.ProcessEnv): ChaosOptions | undefined {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const { values } = parse(() =>
    parseArgs({
      args: [...args],
      options: {
        ...{
          minutes: text,
          seed: text,
          nodes: text,
          code: text,
          memory: text,
          faults: text,
          out: text,
          main: text,
        },
        ...{ "fault-every": text, losses: text, heartbeat: text, "dead-after": text, slack: text },
        ...{ "repair-wait": text, "repair-within": text },
        ...{ proxies: flag, "no-sort": flag, keep: flag, json: flag, help: { ...flag, short: "h" } },
      },
    }),
  );
  if (values.help === true) return undefined;
  const nodes = number("nodes", values.nodes, 7, 3, 64);
  return {
    minutes: number("minutes", values.minutes, 1, 0.05, 24 * 60),
    seed: number("seed", values.seed, 1, 0, 2 ** 32 - 1),
    nodes,
    code: parseCode(values.code ?? (nodes >= 8 ? "4+2" : "2+2")),
    nodeMemoryBytes: number("memory", values.memory, 320, 64, 65_536) * 2 ** 20,
    heartbeatMs: number("heartbeat", values.heartbeat, 500, 50, 60_000),
    deadAfterMs: number("dead-after", values["dead-after"], 2000, 300, 600_000),
    slackMs: number("slack", values.slack, 1000, 0, 60_000),
    repairWaitMs: number("repair-wait", values["repair-wait"], 10_000, 0, 600_000),
    repairWithinMs: number("repair-within", values["repair-within"], 120_000, 1000, 3_600_000),
    faults: faultsOf(values.faults),
    lossesMax: number("losses", values.losses, 2, 0, 64),
    faultEveryMs: number("fault-every", values["fault-every"], 4000, 100, 600_000),
    proxies: values.proxies === true,
    sorts: values["no-sort"] !== true,
    json: values.json === true,
    out: values.out,
    keep: values.keep === true,
    mainPath: values.main ?? env["MAYFLY_TEST_MAIN"] ?? defaultMain(env),
  };
}

/** scripts/chaos.js, which bundles this program elsewhere, says where the project is. */
function defaultMain(env: NodeJS.ProcessEnv): string {
  const root = env["MAYFLY_ROOT"] ?? fileURLToPath(new URL("../..", import.meta.url));
  return `${root.replace(/\/$/, "")}/dist/src/cli/main.js`;
}

function parse<T>(work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    const { message } = MayflyError.from(thrown);
    throw new MayflyError("INVALID_ARGUMENT", `${message} See: npm run chaos -- --help`, { cause: thrown });
  }
}

function number(name: string, text: string | undefined, byDefault: number, min: number, max: number): number {
  const value = text === undefined ? byDefault : Number(text);
  if (value >= min && value <= max) return value;
  throw new MayflyError(
    "INVALID_ARGUMENT",
    `--${name} is ${text}; it must be a number from ${min} to ${max}.`,
  );
}

function faultsOf(text: string | undefined): ReadonlySet<FaultKind> {
  if (text === undefined) return new Set(faultKinds);
  if (text === "none") return new Set();
  const names = text.split(",");
  const unknown = names.find((name) => !faultKinds.some((kind) => kind === name));
  if (unknown !== undefined) {
    throw new MayflyError(
      "INVALID_ARGUMENT",
      `--faults has ${JSON.stringify(unknown)}; there are: ${faultKinds.join(", ")}, none`,
    );
  }
  return new Set(faultKinds.filter((kind) => names.includes(kind)));
}
