/** What a shuffle takes of the fleet's memory, and how many requests its nodes get. */
import { frameBytes, objectBytesMax, stripeBytesMax, stripeOf } from "../wire/stripe-layout.ts";
import { sizeText } from "./figure-text.ts";
import type { ShuffleFacts } from "./plan-input.ts";

const mib = 2 ** 20;

/** Of client/shuffle/layout.ts: a row for each run and partition, in tables of 512. */
export const rowBytes = 24;
export const partitionsPerTable = 512;
export const runsMax = 4096;
/** A row, a cell's bytes and a message are on the primary and on two backups. */
const copies = 3;
/** Beside its bytes: of a shard the entry of the index; of a cell that, and a ref; of a message its fields and its name. */
export const shardEntryBytes = 464;
const cellEntryBytes = 1024;
const messageEntryBytes = 768;
const checksumBytes = 8;

/** As in src/sort/sort-plan.ts: placement is random, segments are not all full, and a node has a smallest size. */
const nodeHeadroom = 1.15;
const nodeSlackBytes = 32 * mib;
const nodeStepBytes = 16 * mib;

/** How readers ask (client/shuffle/partition-reader.ts, client/objects/in-batches.ts, client/exchange/queue-calls.ts). */
const readerBatchBytes = 8 * mib;
const replyBytesMax = mib;
const piecesPerRequest = 64;
const messagesPerRead = 64;
const rowsPerRead = 1000;

/** A part of a shuffle that is in memory at a time. */
export interface Share {
  /** What each map writes of it. */
  readonly mapBytes: number;
  readonly maps: number;
  readonly partitions: number;
}

export interface FleetUse {
  /** On all nodes together: with parity, checksums, tables and index. */
  readonly storedBytes: number;
  /** The memory of a fleet of the same number of nodes that holds it, with headroom. */
  readonly memoryBytes: number;
  /** Shards and cells that are written, and reads of all partitions. */
  readonly requests: number;
  /** Why the maps could not write it, whatever the memory. */
  readonly fault: string | undefined;
}

/** Grows with each of the three figures of the share. */
export function fleetUseOf({ mapBytes, maps, partitions }: Share, facts: ShuffleFacts): FleetUse {
  const { code, nodes, runBytes } = facts;
  const outputBytes = Math.ceil(mapBytes);
  const runs = Math.max(1, Math.ceil(outputBytes / runBytes));
  const tables = runs * Math.ceil(partitions / partitionsPerTable);
  const { stripes, shardBytes } = objectOf(outputBytes, code);
  const shards = stripes * (code.d + code.p);
  const cellBytes =
    tables * messageEntryBytes + runs * partitions * rowBytes + cellEntryBytes + messageEntryBytes;
  const storedBytes = maps * (shardBytes + shards * shardEntryBytes + Math.min(copies, nodes) * cellBytes);

  const pieces = maps * runs;
  const partitionBytes = (maps * outputBytes) / partitions;
  // A reader hears of so many maps at a time, and then asks where their blocks lie.
  const looks = Math.ceil(maps / messagesPerRead);
  const cellReads = looks + Math.max(looks, Math.ceil(pieces / rowsPerRead));
  const batches = Math.max(looks, Math.ceil(partitionBytes / readerBatchBytes));
  const shardReads = Math.max(
    Math.ceil(partitionBytes / replyBytesMax),
    Math.ceil(pieces / piecesPerRequest),
    batches * Math.min(nodes, Math.ceil(pieces / batches)),
  );
  return {
    storedBytes,
    memoryBytes: fleetMemoryBytes(storedBytes, nodes),
    // The commit of an output, and the notice of it.
    requests: maps * (shards + tables + 2) + partitions * (shardReads + cellReads),
    fault: faultOf(outputBytes, runs, facts),
  };
}

/** Memory of `nodes` nodes that together hold so many stored bytes. */
export function fleetMemoryBytes(storedBytes: number, nodes: number): number {
  const nodeBytes = (storedBytes / nodes) * nodeHeadroom + nodeSlackBytes;
  return nodes * Math.ceil(nodeBytes / nodeStepBytes) * nodeStepBytes;
}

/** Shards of an object, their parity and their checksums. */
function objectOf(bytes: number, code: ShuffleFacts["code"]): { stripes: number; shardBytes: number } {
  const stripeBytes = stripeBytesMax(code);
  const full = Math.floor(bytes / stripeBytes);
  const rest = bytes - full * stripeBytes;
  const stored = (ofBytes: number): number => {
    if (ofBytes === 0) return 0;
    const shard = stripeOf(ofBytes, code, 0, 0).shardBytes;
    const checksums = (code.d + code.p) * Math.ceil(shard / frameBytes) * checksumBytes;
    return ofBytes + code.p * shard + checksums;
  };
  return {
    stripes: full + (rest > 0 ? 1 : 0),
    shardBytes: full * stored(stripeBytes) + stored(rest),
  };
}

function faultOf(outputBytes: number, runs: number, facts: ShuffleFacts): string | undefined {
  const most = objectBytesMax(facts.code);
  if (outputBytes > most) {
    return `a map would write ${sizeText(outputBytes)}, and an object has at most ${sizeText(most)}: use more maps`;
  }
  if (runs > runsMax)
    return `a map would write ${runs} runs, and ${runsMax} are the most: use more maps or larger runs`;
  return undefined;
}
