/** A load process: many functions of one job, told by its parent when to begin and to end. */
import { systemClock } from "../../../src/clock.ts";
import { runCells, runOnce } from "./cell-load.ts";
import { runCounters } from "./counter-load.ts";
import { type LoadClient, openClient } from "./load-client.ts";
import { runObjects } from "./object-load.ts";
import { readBack } from "./read-back.ts";
import { type FromLoad, type LoadSetup, type ToLoad, type Workload, workloads } from "./recorded.ts";
import { Recorder, sharedNowMs } from "./recorder.ts";
import { Standstills } from "./standstills.ts";
import { runWaits } from "./wait-load.ts";

const clock = systemClock;
const standstills = new Standstills(clock, sharedNowMs);
/** Clients of one process, by what they do. */
const counts: Readonly<Record<Workload, number>> = { cell: 4, counter: 3, once: 1, object: 2, wait: 2 };
const sendEveryMs = 250;
/** The longest timeout of a call, and some. */
const hangingAfterMs = 60_000;

let recorder: Recorder | undefined;
let setup: LoadSetup | undefined;
let running: Promise<unknown> = Promise.resolve();
let nextClient = 0;
let stopping = false;

function send(message: FromLoad): void {
  if (process.connected) process.send?.(message);
}

function flush(): void {
  const operations = recorder?.take() ?? [];
  if (operations.length > 0) send({ kind: "operations", operations });
}

function open(workload: Workload): Promise<LoadClient> {
  const { ticket, seed } = setup!;
  const number = nextClient++;
  return openClient({ number, workload, ticket, seed, clock, recorder: recorder!, stopping: () => stopping });
}

async function begin(workload: Workload): Promise<void> {
  const client = await open(workload);
  if (workload === "cell") return runCells(client);
  if (workload === "counter") return runCounters(client);
  if (workload === "once") return runOnce(client, sharedNowMs);
  if (workload === "object") return runObjects(client);
  return runWaits(client, await open(workload));
}

async function start(given: LoadSetup): Promise<void> {
  setup = given;
  nextClient = given.firstClient;
  recorder = new Recorder(standstills, given.slackMs);
  const all = workloads.flatMap((workload) =>
    Array.from({ length: counts[workload] }, () => begin(workload)),
  );
  running = Promise.all(all);
  sendSometimes();
  await running;
}

function sendSometimes(): void {
  clock.after(
    sendEveryMs,
    () => {
      flush();
      sendSometimes();
    },
    true,
  );
}

async function stop(): Promise<void> {
  stopping = true;
  const given = new Promise<void>((resolve) => clock.after(hangingAfterMs, resolve, true));
  await Promise.race([running, given]);
  flush();
  send({ kind: "stalled", worstMs: standstills.worstMs });
  send({ kind: "stopped", hanging: recorder?.hanging() ?? [] });
}

async function readAll(keys: readonly (readonly [Workload, string])[]): Promise<void> {
  const clients = new Map<Workload, LoadClient>();
  for (const workload of workloads) clients.set(workload, await open(workload));
  await readBack(keys, (workload) => clients.get(workload)!);
  flush();
  send({ kind: "read-back-done" });
}

function fail(thrown: unknown): void {
  process.stderr.write(`${thrown instanceof Error ? thrown.stack : String(thrown)}\n`);
  process.exit(1);
}

process.on("message", (message: ToLoad) => {
  if (message.kind === "start") start(message.setup).catch(fail);
  else if (message.kind === "stop") stop().catch(fail);
  else readAll(message.keys).catch(fail);
});
process.once("disconnect", () => process.exit(0));
process.stdout.write('{"ready":{}}\n');
