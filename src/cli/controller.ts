/** `mayfly controller`: the controller as a process. */
import { autoscaleOptions, autoscaleSettings, nodesMax } from "./autoscale-options.ts";
import { controllerUrlDefault, isWildcard, parsePort } from "./fleet-access.ts";
import { hibernateAfterOption } from "./hibernate.ts";
import { checkFreeMemory, freeMemoryBytes } from "./machine-memory.ts";
import { option, parseCount, parseText } from "./option.ts";
import { parseBytes, parseRate } from "./sizes.ts";
import { parseStoreUrl, storeOption } from "./store-option.ts";
import { UsageError } from "./usage-error.ts";
import { defineVerb } from "./verb.ts";

const mebibyte = 2 ** 20;

export const controllerVerb = defineVerb({
  name: "controller",
  summary: "run the controller of a fleet",
  usage: "",
  description:
    "Runs until SIGINT or SIGTERM. Nodes join by themselves (mayfly node), or are started here with --nodes. When it " +
    'serves it prints one line of JSON: {"ready":{"url":"http://127.0.0.1:7400","nodes":0}}; its decisions go to ' +
    "standard error.",
  options: {
    host: option({ value: "HOST", help: "address to listen on", parse: parseText, default: "127.0.0.1" }),
    port: option({
      value: "PORT",
      help: "0 takes a free one",
      parse: parsePort,
      short: "p",
      default: new URL(controllerUrlDefault).port,
    }),
    advertise: option({
      value: "URL",
      help: "where functions reach it, for tickets",
      parse: parseText,
      defaultNote: "that of host and port",
    }),
    state: option({
      value: "DIR",
      help: "keep the journal there; without it the fleet is forgotten when this process ends",
      parse: parseText,
    }),
    nodes: option({
      value: "COUNT",
      help: "nodes to start on this machine",
      parse: parseCount(0, nodesMax),
      short: "n",
      defaultNote: "0, MIN with --autoscale",
    }),
    memory: option({
      value: "SIZE",
      help: "memory of those nodes together; needed with --nodes and --autoscale",
      parse: parseBytes,
      short: "m",
    }),
    ...autoscaleOptions,
    "nodes-initial": option({
      value: "COUNT",
      help: "serve when so many nodes have joined",
      parse: parseCount(1, 4096),
      defaultNote: "--nodes, at least 1",
    }),
    backups: option({
      value: "COUNT",
      help: "copies of each cell beside the first",
      parse: parseCount(0, 15),
      default: "2",
    }),
    "heartbeat-ms": option({
      value: "MS",
      help: "how often nodes report",
      parse: parseCount(50, 60_000),
      default: "500",
    }),
    "dead-after-ms": option({
      value: "MS",
      help: "a node that was silent for so long is dead",
      parse: parseCount(300, 600_000),
      defaultNote: "2000, at least twice the heartbeat",
    }),
    store: storeOption,
    restore: option({
      value: "URL",
      help: "go on with the fleet whose state is in that object store, when its --state directory is not here",
      parse: parseStoreUrl,
    }),
    fleet: option({ value: "ID", help: "which fleet to restore, where there are several", parse: parseText }),
    "hibernate-after": hibernateAfterOption,
    "relocation-rate": option({
      value: "RATE",
      help: "most that each node writes to repair or drain, like 100MB/s",
      parse: parseRate,
      defaultNote: "no limit",
    }),
  },
  examples: [
    "mayfly controller --state /var/lib/mayfly --nodes-initial 6",
    "mayfly controller --nodes 4 --memory 8GiB",
    "mayfly controller --autoscale 3..12 --memory 24GiB --state /var/lib/mayfly",
    "mayfly controller --host 0.0.0.0 --advertise http://10.0.0.5:7400",
    "mayfly controller --nodes 6 --memory 3GiB --store s3://bucket/mayfly --hibernate-after 10m",
    "mayfly controller --restore s3://bucket/mayfly --memory 3GiB --nodes 6",
  ],
  async run({ options }) {
    const { host, port, advertise, state, memory, backups, autoscale, restore, fleet } = options;
    const { "hibernate-after": hibernateAfterMs, store: durableUrl = restore } = options;
    if (fleet !== undefined && restore === undefined) {
      throw new UsageError("--fleet names the fleet to restore; add --restore URL");
    }
    if (hibernateAfterMs !== undefined && durableUrl === undefined) {
      throw new UsageError("a fleet sleeps in its object store; add --store URL to --hibernate-after");
    }
    const nodes = options.nodes ?? autoscale?.min ?? 0;
    const most = autoscale?.max ?? nodes;
    const scaling = autoscaleSettings(options, options.nodes);
    if (isWildcard(host) && advertise === undefined) {
      throw new UsageError(
        `--host ${host} is no address that functions could reach; add --advertise http://ADDRESS:${port}`,
      );
    }
    if (nodes === 0 && memory !== undefined) {
      throw new UsageError("--memory is for the nodes started here, and there are none; add --nodes COUNT");
    }
    if (nodes > 0 && memory === undefined) {
      throw new UsageError(`${nodes} nodes are to be started, and nobody said how large; add --memory SIZE`);
    }
    if (memory !== undefined) {
      checkFreeMemory(memory, most, freeMemoryBytes(), (bytes) => `--memory ${bytes / mebibyte}MiB`);
    }
    const { runController } = await import("../controller/main.ts");
    await runController({
      ...{ host, port, nodes, backups, heartbeatMs: options["heartbeat-ms"] },
      ...(advertise !== undefined && { advertiseUrl: advertise }),
      ...(state !== undefined && { stateDir: state }),
      ...(memory !== undefined && { nodeMemoryBytes: Math.floor(memory / most) }),
      ...scaling,
      ...(durableUrl !== undefined && { durableUrl }),
      ...(restore !== undefined && { restore: fleet === undefined ? {} : { fleet } }),
      ...(hibernateAfterMs !== undefined && { hibernateAfterMs }),
      ...(options["nodes-initial"] !== undefined && { nodesInitial: options["nodes-initial"] }),
      ...(options["dead-after-ms"] !== undefined && { deadAfterMs: options["dead-after-ms"] }),
      ...(options["relocation-rate"] !== undefined && {
        relocationBytesPerSecond: options["relocation-rate"],
      }),
    });
  },
});
