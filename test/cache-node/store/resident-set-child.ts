/**
 * Fills a node's memory in a process of its own and prints what the process took: `node resident-set-child.js
 * <limitMiB> <mix>`. Started by resident-set.test.ts.
 */
import { readFileSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { limitHeapGarbage } from "../../../cache-node/store/heap-gauge.ts";
import { indexChargeFor } from "../../../cache-node/store/index-charge.ts";
import type { JobMemory } from "../../../cache-node/store/job-memory.ts";
import { createNodeMemory } from "../../../cache-node/store/node-memory.ts";
import type { Block } from "../../../cache-node/store/segment.ts";
import { type Rng, seededRng, systemClock } from "../../../src/clock.ts";
import { jobNumber } from "../../../src/ids.ts";

limitHeapGarbage();

const limitBytes = Number(process.argv[2]) * 2 ** 20;
const mix = process.argv[3];
const memory = createNodeMemory({ limitBytes, clock: systemClock });
const rng: Rng = seededRng(7);
const keyBytes = 24;

/** Ten fields, as a cell of a real node has, with numbers that do not fit 31 bits. */
class Entry {
  kind = 1;
  block: Block;
  version: number;
  generation = 3;
  expiresAtMs: number;
  flags = 0;
  session: number;
  sequence: number;
  group: number;
  ref: string | undefined;

  constructor(block: Block, n: number) {
    this.block = block;
    this.version = 1e12 + n;
    this.expiresAtMs = 1.7e12 + n;
    this.session = n * 3;
    this.sequence = n;
    this.group = n % 1024;
    this.ref = undefined;
  }
}

const keyBuffer = Buffer.alloc(keyBytes, "k");
function keyOf(n: number): string {
  keyBuffer.write(String(n).padStart(12, "0"), keyBytes - 12, "latin1");
  return keyBuffer.toString("latin1");
}

/** One job with a Map for an index, as a node has. */
function createStore(job: JobMemory) {
  const index = new Map<string, Entry>();
  let written = 0;
  return {
    index,
    put(length: number): boolean {
      if (!job.charge(indexChargeFor(keyBytes))) return false;
      const block = job.allocate(length);
      if (block === undefined) {
        job.discharge(indexChargeFor(keyBytes));
        return false;
      }
      block.view().fill(written);
      index.set(keyOf(written), new Entry(block, written));
      written += 1;
      return true;
    },
    delete(key: string): void {
      job.free(index.get(key)!.block);
      index.delete(key);
      job.discharge(indexChargeFor(keyBytes));
    },
  };
}

let jobsMade = 0;
async function withJob(run: (store: ReturnType<typeof createStore>) => Promise<void>): Promise<number> {
  const number = jobNumber(++jobsMade);
  const job = memory.job(number);
  await run(createStore(job));
  const { liveBytes } = job;
  memory.endJob(number);
  return liveBytes;
}

async function fill(store: ReturnType<typeof createStore>, length: () => number): Promise<void> {
  for (let n = 1; store.put(length()); n++) if (n % 64 === 0) await turn();
}

async function replaceAll(store: ReturnType<typeof createStore>, length: () => number): Promise<void> {
  const count = store.index.size;
  for (let n = 0; n < count; n++) {
    store.delete(keyOf(n));
    store.put(length());
    if (n % 64 === 0) await turn();
  }
}

const tiny = (): number => 100;
const inline = (): number => 16 * 1024;
const shard = (): number => 512 * 1024;
const any = (): number => Math.floor(100 * 2 ** (rng.random() * Math.log2(2 ** 20 / 100)));

const live: number[] = [];
switch (mix) {
  case "tiny":
    live.push(await withJob(async (store) => fill(store, tiny)));
    break;
  case "tiny-replaced":
    live.push(
      await withJob(async (store) => {
        await fill(store, tiny);
        await replaceAll(store, tiny);
      }),
    );
    break;
  case "inline":
    live.push(await withJob(async (store) => fill(store, inline)));
    break;
  case "shards":
    live.push(await withJob(async (store) => fill(store, shard)));
    break;
  case "random":
    live.push(
      await withJob(async (store) => {
        for (let round = 0; round < 4; round++) {
          await fill(store, any);
          for (const key of [...store.index.keys()]) if (rng.random() < 0.5) store.delete(key);
        }
        await fill(store, any);
      }),
    );
    break;
  // The index of one job is still garbage when the next one wants its memory for values, and the other way round.
  case "in-turn":
    for (const length of [shard, tiny, inline, tiny, shard]) {
      live.push(await withJob(async (store) => fill(store, length)));
    }
    break;
  default:
    throw new RangeError(`no mix ${mix}`);
}

const peakKib = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
process.stdout.write(JSON.stringify({ peakBytes: peakKib * 1024, live, stats: memory.stats() }));
memory.close();
