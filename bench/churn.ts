/**
 * A node under churn: how much of its memory can hold live bytes after ten times its memory was written and deleted, and
 * how its garbage collector disturbs small reads. `store`: the node's memory alone, always full. `node`: a node process
 * through its sockets, with 85 % of its memory alive.
 */
import { readFileSync } from "node:fs";
import type { ChurnClientRequest, ChurnClientResult } from "./drivers/churn-client.ts";
import { type ChurnMix, type ChurnRequest, type ChurnResult, churnMixes } from "./drivers/churn-mix.ts";
import type { GcReport } from "./drivers/gc-watch.ts";
import { type KvClient, startKvClient } from "./drivers/kv-client.ts";
import { runDriver } from "./drivers/run-driver.ts";
import { measureCase } from "./harness/compare.ts";
import { describeMachine } from "./harness/machine.ts";
import { coresForBench, untilIdle } from "./harness/processes.ts";
import {
  type BenchCase,
  type BenchOptions,
  type BenchReport,
  type Figures,
  isWanted,
} from "./harness/report.ts";
import { type SingleNode, startSingleNode } from "./harness/single-node.ts";

const mebibyte = 1024 * 1024;
const limitBytes = 512 * mebibyte;
/** Through sockets, writing ten times the memory takes a minute for this much. */
const nodeLimitBytes = 256 * mebibyte;
const timesWritten = 10;
const churnWithinMs = 300_000;
/** Percentiles and pauses need more than a moment. */
const besideDurationMs = 2000;

const readsCase = "get 1KiB x1 beside 1MiB traffic, one node";

/** @throws the signal's reason when it is aborted, and whatever fails; all has been stopped by then */
export async function benchChurn(options: BenchOptions): Promise<BenchReport> {
  const machine = describeMachine();
  const cases: BenchCase[] = [];
  for (const mix of churnMixes) {
    const name = `churn 100B-16MiB ${mix}, store`;
    if (isWanted(name, options)) cases.push(await churnStore(name, mix, options));
  }
  for (const mix of churnMixes) {
    const name = `churn 100B-16MiB ${mix}, node`;
    if (isWanted(name, options)) cases.push(await churnNode(name, mix, options));
  }
  if (isWanted(readsCase, options)) cases.push(await readsUnderLoad(options));
  return { scenario: "churn", machine, rounds: options.rounds, cases };
}

const usable = { compared: "usableShare", better: "higher", peers: {} } as const;

function churnStore(name: string, mix: ChurnMix, options: BenchOptions): Promise<BenchCase> {
  const request: ChurnRequest = { mix, limitBytes, timesWritten };
  const cores = coresForBench()?.servers;
  const run = { driver: "churn-store", request, cores, withinMs: churnWithinMs, signal: options.signal };
  const sample = async (): Promise<Figures> => ({ ...((await runDriver(run)) as ChurnResult) });
  return measureCase({ case: name, ...usable, mayfly: { sample } }, options);
}

function churnNode(name: string, mix: ChurnMix, options: BenchOptions): Promise<BenchCase> {
  const sample = async (): Promise<Figures> => {
    // A new one each time: a fleet does not write to a node that was full when it reported last.
    const node = await startSingleNode({ memoryBytes: nodeLimitBytes });
    try {
      await untilIdle([node.process.pid]);
      const { ticket } = await node.createJob("bench-churn");
      const request: ChurnClientRequest = { mix, limitBytes: nodeLimitBytes, timesWritten, ticket };
      const result = (await runDriver({
        ...{ driver: "churn-client", request, withinMs: churnWithinMs, signal: options.signal },
        cores: coresForBench()?.clients,
      })) as ChurnClientResult;
      const rssBytes = residentBytesMax(node.process.pid);
      return { ...result, ...(!Number.isNaN(rssBytes) && { rssShare: rssBytes / nodeLimitBytes }) };
    } finally {
      await node.stop();
    }
  };
  return measureCase({ case: name, ...usable, mayfly: { sample } }, options);
}

/** Small reads on a node whose heap is kept busy by large values: what its garbage collector costs them. */
async function readsUnderLoad(options: BenchOptions): Promise<BenchCase> {
  const watch = new URL("./drivers/gc-watch.js", import.meta.url).href;
  const node = await startSingleNode({ memoryBytes: limitBytes, execArgs: ["--import", watch] });
  let client: KvClient | undefined;
  try {
    // It touches its memory in the background, which costs reads more than any collection.
    await untilIdle([node.process.pid]);
    const { ticket } = await node.createJob("bench-gc");
    client = await startKvClient("mayfly", { ticket }, options.signal);
    const sampleOn = samplerOf(node, client);
    return await measureCase(
      { case: readsCase, compared: "p99Ms", better: "lower", mayfly: { sample: sampleOn }, peers: {} },
      options,
    );
  } finally {
    await client?.stop();
    await node.stop();
  }
}

function samplerOf(node: SingleNode, client: KvClient): () => Promise<Figures> {
  let turns = 0;
  const collections = async (): Promise<GcReport> => {
    turns += 1;
    node.process.child.kill("SIGUSR2");
    const line = await node.process.line(new RegExp(`^\\{"gc":\\{"turn":${turns},`));
    return (JSON.parse(line) as { gc: GcReport }).gc;
  };
  return async () => {
    await collections();
    const { seconds, operations, p50Ms, p99Ms, besideBytes } = await client.sample({
      ...{ operation: "get", valueBytes: 1024, outstanding: 1, into: false, durationMs: besideDurationMs },
      beside: { valueBytes: mebibyte, outstanding: 4 },
    });
    const { longestMs, totalMs, collections: count } = await collections();
    return {
      ...{ p50Ms, p99Ms, opsPerSecond: operations / seconds, besideMbPerSecond: besideBytes / seconds / 1e6 },
      ...{
        gcLongestMs: longestMs,
        gcTotalMs: totalMs,
        gcShare: totalMs / seconds / 1000,
        collections: count,
      },
    };
  };
}

/** The most memory that the process has had so far; NaN where there is no /proc. */
function residentBytesMax(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    return Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]) * 1024;
  } catch {
    return Number.NaN;
  }
}
