/**
 * A job on a fleet and functions that work in it: on a fleet that runs somewhere, or on one that is started here for as long
 * as it takes. All of it is gone in the end, however it ends.
 */
import { availableParallelism } from "node:os";
import { connect, type Job, MayflyError } from "mayfly";
import { createLocalExecutor, type Executor, type FunctionContext, type HandlerRef } from "mayfly/executor";
import { startEmbeddedFleet } from "mayfly/testing";
import { countOption, type Option, usageError, type Values } from "./command-line.ts";

export type { Executor, FunctionContext, HandlerRef };

/** Options of every example. */
export const fleetOptions = {
  controller: { value: "URL", help: "run on this fleet instead of starting one", short: "c" },
  nodes: { value: "COUNT", help: "nodes of the fleet that is started (4)", short: "n" },
  workers: { value: "COUNT", help: "function processes at a time (one a core)", short: "w" },
  "fail-rate": { value: "SHARE", help: "end this share of all attempts of functions at a random point (0)" },
  "kill-node": { help: "kill -9 one node between two stages: parity replaces what it held" },
} as const satisfies Record<string, Option>;

export interface FleetPlan {
  /** Begin of the job's name. */
  readonly name: string;
  readonly controller: string | undefined;
  readonly nodes: number;
  /** Of each node of a fleet that is started. */
  readonly nodeMemoryBytes: number;
  readonly workers: number;
  readonly failRate: number;
  readonly killNode: boolean;
}

export interface Stage {
  readonly job: Job;
  /** Its functions are connected to the same job. */
  readonly executor: Executor;
  /** To be called between two stages: kills a node if it was asked for. */
  betweenStages(): void;
}

const mebibyte = 2 ** 20;
const attemptsMax = 5;
const requestMs = 10_000;

/** What the options of `fleetOptions` say. @throws MayflyError INVALID_ARGUMENT */
export function fleetPlan(
  name: string,
  values: Values<typeof fleetOptions>,
  nodeMemoryBytes: number = 256 * mebibyte,
): FleetPlan {
  const { controller } = values;
  const killNode = values["kill-node"];
  if (controller !== undefined && (killNode || values.nodes !== undefined)) {
    throw usageError(
      "--nodes and --kill-node are about a fleet started here; they do not go with --controller",
    );
  }
  if (controller !== undefined && !URL.canParse(controller)) {
    throw usageError(`--controller ${controller} is no URL; it looks like http://127.0.0.1:7400`);
  }
  const failRate = Number(values["fail-rate"] ?? 0);
  if (!(failRate >= 0 && failRate <= 1)) {
    throw usageError(`--fail-rate ${values["fail-rate"]} is not from 0 to 1, for example 0.2`);
  }
  const nodes = countOption("nodes", values.nodes, 4, 1, 64);
  if (killNode && nodes < 3) {
    throw usageError(`--kill-node needs at least 3 nodes, so that parity is on others; there are ${nodes}`);
  }
  const workers = countOption("workers", values.workers, availableParallelism(), 1, 256);
  return { name, controller, nodes, nodeMemoryBytes, workers, failRate, killNode };
}

/** @throws MayflyError of whatever failed; the reason of `signal` when that was aborted */
export async function runOnFleet<T>(
  plan: FleetPlan,
  signal: AbortSignal,
  work: (stage: Stage) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const stops: (() => Promise<void> | void)[] = [];
  const started = start(plan, stops);
  try {
    const stopped = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
    return await Promise.race([stopped, started.then(work)]);
  } finally {
    // What was still starting when the signal came is stopped, too.
    await started.catch(() => undefined);
    for (const stop of stops.reverse()) await stop();
  }
}

async function start(plan: FleetPlan, stops: (() => Promise<void> | void)[]): Promise<Stage> {
  const { name, controller, nodes, nodeMemoryBytes, workers, failRate } = plan;
  let url = controller;
  let pids: number[] = [];
  if (url === undefined) {
    const fleet = await startEmbeddedFleet({ nodes, nodeMemoryBytes });
    stops.push(() => fleet.stop());
    url = fleet.url;
    pids = fleet.nodes.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }
  const { ticket, number } = await beginJob(url, `${name}-${process.pid}`);
  stops.push(() => endJob(url, number));
  const job = await connect(ticket);
  stops.push(() => job.close());
  const executor = createLocalExecutor({ workers, ticket, failRate, attemptsMax, speculate: true });
  stops.push(() => executor.close());
  const betweenStages = (): void => {
    const pid = plan.killNode ? pids.pop() : undefined;
    if (pid !== undefined) process.kill(pid, "SIGKILL");
  };
  return { job, executor, betweenStages };
}

/** As `mayfly job create` does. */
async function beginJob(url: string, name: string): Promise<{ ticket: string; number: number }> {
  const reply = (await request(url, "POST", "/v1/jobs", { name })) as {
    readonly ticket: string;
    readonly job: { readonly job: number };
  };
  return { ticket: reply.ticket, number: reply.job.job };
}

async function endJob(url: string, number: number): Promise<void> {
  await request(url, "DELETE", `/v1/jobs/${number}`);
}

/** The controller's API is JSON over HTTP: docs/PROTOCOL.md. */
async function request(url: string, method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = fetch(new URL(path, url), {
    ...{ method, signal: AbortSignal.timeout(requestMs) },
    ...(body !== undefined && {
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  });
  const reply = await answer.catch((cause: unknown) => {
    const why = `no controller answers at ${url}: is it running, and is this its address?`;
    throw new MayflyError("CONTROLLER_UNREACHABLE", why, { cause });
  });
  const text = await reply.text();
  if (!reply.ok)
    throw new MayflyError("UNAVAILABLE", `the controller at ${url} said ${reply.status}: ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}
