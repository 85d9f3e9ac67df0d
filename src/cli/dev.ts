/** `mayfly dev`: a controller and some nodes on this machine, with a job to begin with. */
import type { EmbeddedFleet } from "../embedded-fleet.ts";
import { MayflyError } from "../errors.ts";
import { formatCode } from "../placement/code.ts";
import type { CreateJobReply } from "../wire/control-api.ts";
import { autoscaleOptions, autoscaleSettings, nodesMax } from "./autoscale-options.ts";
import { parsePort, withController } from "./fleet-access.ts";
import { hibernateAfterOption } from "./hibernate.ts";
import { checkFreeMemory, freeMemoryBytes, nodeProcessBytes } from "./machine-memory.ts";
import { flag, option, parseCount, parseText } from "./option.ts";
import { formatBytes, parseBytes } from "./sizes.ts";
import { storeOption } from "./store-option.ts";
import { untilSignal } from "./until-signal.ts";
import { defineVerb, type VerbContext } from "./verb.ts";

const mebibyte = 2 ** 20;
const memoryBytesDefaultMin = 256 * mebibyte;
/** Nodes take their memory from the machine ahead of use, and a trial needs no more. */
const memoryBytesDefaultMax = 4096 * mebibyte;
const jobName = "dev";

const nodesDefault = 4;

const options = {
  nodes: option({
    value: "COUNT",
    help: "node processes; 3 to 7 make sense on one machine",
    parse: parseCount(1, nodesMax),
    short: "n",
    defaultNote: `${nodesDefault}, MIN with --autoscale`,
  }),
  memory: option({
    value: "SIZE",
    help: "memory of all nodes together",
    parse: parseBytes,
    short: "m",
    defaultNote: "half of what is free, at most 4GiB",
  }),
  port: option({
    value: "PORT",
    help: "port of the controller; 0 takes a free one",
    parse: parsePort,
    short: "p",
    default: "7400",
  }),
  state: option({
    value: "DIR",
    help: "keep the controller's journal there, so that job numbers and tickets outlive it (data do not)",
    parse: parseText,
  }),
  store: storeOption,
  "hibernate-after": hibernateAfterOption,
  ...autoscaleOptions,
  verbose: flag("tell of the controller's decisions", "v"),
};

export const devVerb = defineVerb({
  name: "dev",
  summary: "start a whole fleet on this machine, and a job in it",
  usage: "",
  description:
    "Runs until Ctrl-C, then forgets everything. What it prints on standard output sets up another shell. With " +
    "--json it prints one line when the fleet is ready: url, ticket, job, code, nodes, nodeMemoryBytes, pids.",
  options,
  examples: [
    "mayfly dev",
    "mayfly dev --nodes 7 --memory 8GiB",
    "mayfly dev --autoscale 3..12 --memory 6GiB",
    "mayfly dev --port 0 --json",
  ],
  async run(context) {
    const { autoscale, port, state, store, verbose, "hibernate-after": hibernateAfterMs } = context.options;
    const nodes = context.options.nodes ?? autoscale?.min ?? nodesDefault;
    const most = autoscale?.max ?? nodes;
    const scaling = autoscaleSettings(context.options, context.options.nodes);
    const freeBytes = freeMemoryBytes();
    const memoryBytes = context.options.memory ?? defaultMemoryBytes(freeBytes, most);
    checkFreeMemory(memoryBytes, most, freeBytes, (bytes) => `--memory ${bytes / mebibyte}MiB`);
    const nodeMemoryBytes = Math.floor(memoryBytes / most);
    const signal = untilSignal();
    const { startEmbeddedFleet } = await import("../embedded-fleet.ts");
    let fleet: EmbeddedFleet;
    try {
      fleet = await startEmbeddedFleet({
        ...{ nodes, nodeMemoryBytes, port, ...(state !== undefined && { stateDir: state }) },
        ...scaling,
        ...(store !== undefined && { durableUrl: store }),
        ...(hibernateAfterMs !== undefined && { hibernateAfterMs }),
        ...(verbose && { log: context.note }),
      });
    } catch (thrown) {
      // Ctrl-C reaches the nodes too: then it is no wonder that they do not start.
      if (signal.given) return;
      throw portTaken(thrown, port) ?? thrown;
    }
    try {
      const job = await beginJob(fleet.url);
      announce(context, fleet, job, nodeMemoryBytes);
      for (const node of fleet.nodes) {
        void node.ended.then(() => signal.given || context.note(`${node.name}, a node, has ended`));
      }
      await signal.promise;
    } finally {
      await fleet.stop();
    }
  },
});

/** Half of what is free, in whole MiB a node; what the nodes need themselves stays free. */
export function defaultMemoryBytes(freeBytes: number, nodes: number): number {
  const half = (freeBytes - nodes * nodeProcessBytes) / 2;
  const bytes = Math.max(memoryBytesDefaultMin, Math.min(memoryBytesDefaultMax, half));
  return Math.floor(bytes / nodes / mebibyte) * mebibyte * nodes;
}

/** The controller would advise how to start a controller. */
function portTaken(thrown: unknown, port: number): MayflyError | undefined {
  if (!(thrown instanceof MayflyError) || thrown.code !== "PORT_IN_USE") return undefined;
  return new MayflyError(
    "PORT_IN_USE",
    `port ${port} is taken, perhaps by another fleet (see: mayfly status); stop it, or choose another port: ` +
      `mayfly dev --port ${port < 65_535 ? port + 1 : 0} (0 takes a free one)`,
    { cause: thrown },
  );
}

/** Jobs of an earlier life, which the journal knows, have lost all their data with their nodes. */
async function beginJob(url: string): Promise<CreateJobReply> {
  return withController(url, async (controller) => {
    for (const { job, state } of await controller.jobs()) {
      if (state !== "ended") await controller.endJob(job);
    }
    return controller.createJob({ name: jobName });
  });
}

function announce(
  { json, print, note }: VerbContext,
  fleet: EmbeddedFleet,
  { job, ticket }: CreateJobReply,
  nodeMemoryBytes: number,
): void {
  const nodes = fleet.nodes.length;
  const code = formatCode(job.code);
  if (json) {
    const pids = fleet.nodes.map((node) => node.pid);
    print(JSON.stringify({ url: fleet.url, ticket, job: job.job, code, nodes, nodeMemoryBytes, pids }));
    return;
  }
  const each = `${nodes} node${nodes === 1 ? "" : "s"} of ${formatBytes(nodeMemoryBytes)}`;
  note(`A fleet of ${each} serves at ${fleet.url}; job ${job.job} is stored as ${code}.`);
  note("In another shell:\n");
  print(`export MAYFLY_CONTROLLER=${fleet.url}`);
  print(`export MAYFLY_TICKET=${ticket}`);
  note("\nThen try:  echo hello | mayfly put greeting;  mayfly get greeting;  mayfly status");
  note("Ctrl-C ends the fleet and forgets everything in it.");
}
