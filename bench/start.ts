/**
 * How soon things are there: a node that serves, counted from the start of its process; the size of the SDK; the first
 * value of a function, with the import of the SDK, in a fresh process.
 */
import { connect as connectSocket } from "node:net";
import { fileURLToPath } from "node:url";
import { connect } from "../client/connect.ts";
import type { FirstRead } from "./drivers/first-read.ts";
import { bundleSdk, type SdkBundle, sdkUrl } from "./harness/bundle-sdk.ts";
import { measureCase } from "./harness/compare.ts";
import { describeMachine } from "./harness/machine.ts";
import { coresForBench, spawnPinned, untilIdle } from "./harness/processes.ts";
import {
  type BenchCase,
  type BenchOptions,
  type BenchReport,
  type Figures,
  isWanted,
} from "./harness/report.ts";
import { startLoneController, startNodeProcess, startSingleNode } from "./harness/single-node.ts";

const mebibyte = 1024 * 1024;
const nodeMemoryBytes = 1024 * mebibyte;
/** What is read is small, and a small node has touched its memory soon. */
const readMemoryBytes = 128 * mebibyte;

const readCases = [
  { name: "sdk first read", bundled: false, key: "small" },
  { name: "sdk first read bundled", bundled: true, key: "small" },
  { name: "sdk first read 1MiB bundled", bundled: true, key: "large" },
] as const;
const values = { small: 1024, large: mebibyte } as const;

/** @throws the signal's reason when it is aborted, and whatever fails; all has been stopped by then */
export async function benchStart(options: BenchOptions): Promise<BenchReport> {
  const machine = describeMachine();
  const cases: BenchCase[] = [];
  if (isWanted("node ready", options)) cases.push(await nodeReady(options));
  const bundle = await bundleSdk();
  try {
    if (isWanted("sdk bundle", options)) cases.push(await sdkBundle(bundle, options));
    cases.push(...(await firstReads(bundle, options)));
  } finally {
    await bundle.remove();
  }
  return { scenario: "start", machine, rounds: options.rounds, cases };
}

async function nodeReady(options: BenchOptions): Promise<BenchCase> {
  const controller = await startLoneController();
  try {
    const sample = async (): Promise<Figures> => {
      const beginMs = performance.now();
      const node = await startNodeProcess({ controllerUrl: controller.url, memoryBytes: nodeMemoryBytes });
      try {
        const readyMs = performance.now() - beginMs;
        await ping(node.host, node.port);
        return { readyMs, servesMs: performance.now() - beginMs };
      } finally {
        await node.process.stop();
      }
    };
    const spec = { compared: "servesMs", better: "lower", mayfly: { sample }, peers: {} } as const;
    return await measureCase({ case: "node ready", ...spec }, options);
  } finally {
    await controller.stop();
  }
}

/** Resolves when the node has answered. @throws Error when it does not */
function ping(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host, port }, () => socket.write("PING\r\n"));
    socket.once("error", reject);
    socket.once("close", () =>
      reject(new Error(`${host}:${port} has closed the connection without an answer`)),
    );
    socket.once("data", () => {
      resolve();
      socket.destroy();
    });
  });
}

function sdkBundle({ bytes, gzipBytes, allBytes }: SdkBundle, options: BenchOptions): Promise<BenchCase> {
  const sample = (): Figures => ({ bytes, gzipBytes, allBytes });
  const spec = { compared: "bytes", better: "lower", mayfly: { sample }, peers: {} } as const;
  return measureCase({ case: "sdk bundle", ...spec }, options);
}

async function firstReads(bundle: SdkBundle, options: BenchOptions): Promise<BenchCase[]> {
  const wanted = readCases.filter(({ name }) => isWanted(name, options));
  if (wanted.length === 0) return [];
  const node = await startSingleNode({ memoryBytes: readMemoryBytes });
  try {
    const { ticket } = await node.createJob("bench-start");
    await using job = await connect(ticket);
    for (const [key, bytes] of Object.entries(values)) await job.put(key, Buffer.alloc(bytes, key));
    // Touching its memory, it would share the core with nobody in earnest.
    await untilIdle([node.process.pid]);
    const cases: BenchCase[] = [];
    for (const { name, bundled, key } of wanted) {
      const url = bundled ? bundle.url : sdkUrl;
      const sample = (): Promise<Figures> => firstRead(url, ticket, key);
      const spec = { compared: "firstReadMs", better: "lower", mayfly: { sample }, peers: {} } as const;
      cases.push(await measureCase({ case: name, ...spec }, options));
    }
    return cases;
  } finally {
    await node.stop();
  }
}

async function firstRead(url: string, ticket: string, key: keyof typeof values): Promise<Figures> {
  const spawnWallMs = performance.timeOrigin + performance.now();
  const child = await spawnPinned({
    command: process.execPath,
    args: [fileURLToPath(new URL("./drivers/first-read.js", import.meta.url)), url, ticket, key],
    cores: coresForBench()?.clients,
  });
  try {
    const read = JSON.parse(await child.line(/^\{"importMs":/)) as FirstRead;
    if (read.bytes !== values[key]) throw new Error(`the first read brought ${read.bytes} bytes`);
    const { importMs, firstReadMs, endWallMs } = read;
    return { importMs, firstReadMs, fromSpawnMs: endWallMs - spawnWallMs };
  } finally {
    await child.stop();
  }
}
