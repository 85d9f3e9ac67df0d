/** The cache node as a process: what `mayfly node` runs. */
import { systemClock, systemRng } from "../src/clock.ts";
import { MayflyError } from "../src/errors.ts";
import { startCacheNode } from "./node.ts";
import type { CacheNode } from "./node-options.ts";
import { limitHeapGarbage } from "./store/heap-gauge.ts";

export interface RunCacheNodeOptions {
  readonly controllerUrl: string;
  readonly memoryBytes: number;
  readonly host?: string;
  readonly port?: number;
  readonly zone?: string;
  readonly onControllerAway?: (error: MayflyError) => void;
}

/**
 * Runs a node until SIGINT or SIGTERM, until the process that started it with an IPC channel is gone, or until the
 * controller declares it dead or has drained it. When it serves it prints `{"ready":{"node":3,"host":"127.0.0.1","port":40123}}` as one
 * line on standard output.
 * @throws MayflyError what `startCacheNode` throws; NODE_UNKNOWN after it was declared dead
 */
export async function runCacheNode(options: RunCacheNodeOptions): Promise<void> {
  limitHeapGarbage();
  let declaredDead: MayflyError | undefined;
  const { promise: stopped, resolve: stop } = waitable();
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  process.once("disconnect", stop);
  const starting = startCacheNode({
    ...options,
    clock: systemClock,
    rng: systemRng,
    pid: process.pid,
    onDeclaredDead: (error) => {
      declaredDead = error;
      stop();
    },
    onDrained: stop,
  });
  // Registering goes on for a minute while the controller is away; a signal does not wait for that.
  const node: CacheNode | undefined = await Promise.race([starting, stopped.then(() => undefined)]);
  if (node === undefined) return void starting.then((late) => late.stop()).catch(() => undefined);
  const { nodeId, host, port } = node;
  process.stdout.write(`${JSON.stringify({ ready: { node: nodeId, host, port } })}\n`);
  await stopped;
  await node.stop();
  if (process.connected) process.disconnect();
  if (declaredDead !== undefined) {
    throw new MayflyError(
      "NODE_UNKNOWN",
      `The controller declared node ${nodeId} dead, so its data no longer count; start it again to join empty.`,
      { cause: declaredDead },
    );
  }
}

function waitable(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = () => settle();
  });
  return { promise, resolve };
}
