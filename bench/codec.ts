/**
 * Speed of coding and of checksums on one core, hot: stripes of 1 MiB of data that stay in the cache. GB/s (10^9 bytes)
 * of data; decode has p data shards lost.
 */
import { setTimeout } from "node:timers/promises";
import zlib from "node:zlib";
import { createFrameChecksums, scratchBytes } from "../src/checksum/frame-checksums.ts";
import { systemRng } from "../src/clock.ts";
import { createStripeCodec, strideFor } from "../src/erasure/codec.ts";
import { slice, unslice } from "../src/erasure/reference.ts";
import { type CaseSpec, measureCase } from "./harness/compare.ts";
import { describeMachine } from "./harness/machine.ts";
import {
  type Absent,
  type BenchCase,
  type BenchOptions,
  type BenchReport,
  isWanted,
} from "./harness/report.ts";
import { throughputOf, type Work } from "./harness/throughput.ts";
import { type IsaL, loadIsaL } from "./peers/isa-l.ts";
import { loadReedSolomonErasure } from "./peers/reed-solomon-erasure.ts";
import type { CoderLibrary, StripeCoder } from "./peers/stripe-coder.ts";

const codes = [
  [4, 1],
  [4, 2],
  [8, 2],
  [10, 4],
] as const;
const stripeBytes = 1024 * 1024;
const frameBytes = 16 * 1024;
const pageBytes = 65536;
/** For V8's background compiler, which optimises kernels once they are seen to run often. */
const compileMs = 100;

/** @throws Error when ISA-L is there and codes differently; the signal's reason when it is aborted */
export async function benchCodec(options: BenchOptions): Promise<BenchReport> {
  const machine = describeMachine();
  const isaL = await loadIsaL();
  if (isPresent(isaL)) for (const [d, p] of codes) checkSameCode(isaL, d, p);
  const peers = { "isa-l": isaL, "reed-solomon-erasure": await loadReedSolomonErasure() };
  const cases: BenchCase[] = [];
  for (const spec of specs(peers)) {
    if (!isWanted(spec.name, options)) continue;
    const { work, others } = spec.make();
    for (let i = 0; i < 3; i++) throughputOf(work).sample();
    await setTimeout(compileMs);
    cases.push(await measureCase(caseOf(spec.name, work, others), options));
  }
  return { scenario: "codec", machine, rounds: options.rounds, cases };
}

interface Sides {
  readonly work: Work;
  readonly others: Readonly<Record<string, Work | Absent>>;
}

/** A case to be: its memory is taken when it is made. */
interface Spec {
  readonly name: string;
  make(): Sides;
}

type Peers = Readonly<Record<string, CoderLibrary | Absent>>;

function specs(peers: Peers): Spec[] {
  const coding = codes.flatMap(([d, p]): Spec[] => [
    { name: `${d}+${p} encode 1MiB`, make: () => codingSides("encode", d, p, peers) },
    { name: `${d}+${p} decode 1MiB`, make: () => codingSides("decode", d, p, peers) },
    {
      name: `${d}+${p} decode 1MiB new loss pattern`,
      make: () => ({ work: mayflyCoder(d, p).decodeNew, others: {} }),
    },
  ]);
  return [...coding, { name: "xxh3 16KiB frames", make: checksumSides }];
}

function caseOf(name: string, work: Work, others: Sides["others"]): CaseSpec {
  const contenders = Object.entries(others).map(
    ([peer, other]) => [peer, "run" in other ? throughputOf(other) : other] as const,
  );
  return {
    case: name,
    compared: "gbPerSecond",
    better: "higher",
    mayfly: throughputOf(work),
    peers: Object.fromEntries(contenders),
  };
}

function codingSides(operation: "encode" | "decode", d: number, p: number, peers: Peers): Sides {
  const others = Object.entries(peers).map(
    ([name, peer]) => [name, isPresent(peer) ? peer.stripe(d, p, shardBytesOf(d))[operation] : peer] as const,
  );
  return { work: mayflyCoder(d, p)[operation], others: Object.fromEntries(others) };
}

function shardBytesOf(d: number): number {
  return Math.floor(stripeBytes / d / 128) * 128;
}

function mayflyCoder(d: number, p: number): StripeCoder & { readonly decodeNew: Work } {
  const shardBytes = shardBytesOf(d);
  const stride = strideFor(shardBytes);
  const memory = memoryOf(stride * (d + p));
  for (let i = 0; i < d; i++) new Uint8Array(memory.buffer, i * stride).set(systemRng.bytes(shardBytes));
  const codec = createStripeCodec(d, p, memory, { specializeAfterBytes: 0, warmBytes: 0 });
  const generic = createStripeCodec(d, p, memory, { specializeAfterBytes: Number.POSITIVE_INFINITY });
  codec.prewarm(0, stride, shardBytes);
  codec.encode(0, stride, shardBytes);
  const lost = Array.from({ length: p }, (_, i) => i);
  const bytes = d * shardBytes;
  return {
    encode: { bytes, run: () => codec.encode(0, stride, shardBytes) },
    decode: { bytes, run: () => codec.reconstruct(0, stride, shardBytes, lost) },
    decodeNew: { bytes, run: () => generic.reconstruct(0, stride, shardBytes, lost) },
  };
}

/**
 * What is compared must do the same: ISA-L's parity of the bytes is Mayfly's once bits are moved (src/erasure/reference.ts
 * says how), and its decoding gives the lost bytes back. Small shards do: moving bits is slow.
 */
function checkSameCode(isaL: IsaL, d: number, p: number): void {
  const shardBytes = 1024;
  const theirs = isaL.stripe(d, p, shardBytes);
  const stride = strideFor(shardBytes);
  const memory = memoryOf(stride * (d + p));
  const ours = (i: number): Uint8Array => new Uint8Array(memory.buffer, i * stride, shardBytes);
  for (let i = 0; i < d; i++) ours(i).set(slice(theirs.shard(i)));
  createStripeCodec(d, p, memory).encode(0, stride, shardBytes);
  const differs = (i: number): boolean => Buffer.compare(unslice(ours(i)), theirs.shard(i)) !== 0;
  for (let i = 0; i < p; i++) theirs.shard(i).fill(0);
  theirs.decode.run();
  const wrong = Array.from({ length: d + p }, (_, i) => i).filter(differs);
  if (wrong.length === 0) return;
  throw new Error(`ISA-L codes ${d}+${p} differently in shards ${wrong.join(", ")}; they cannot be compared`);
}

function checksumSides(): Sides {
  const sumsAt = scratchBytes;
  const at = sumsAt + 8 * (stripeBytes / frameBytes);
  const memory = memoryOf(at + stripeBytes);
  const data = Buffer.from(memory.buffer, at, stripeBytes);
  data.set(systemRng.bytes(stripeBytes));
  const copy = Buffer.alloc(stripeBytes);
  const checksums = createFrameChecksums(memory, 0);
  checksums.prewarm();
  const crcFrames = (): void => {
    for (let i = 0; i < stripeBytes; i += frameBytes) zlib.crc32(data.subarray(i, i + frameBytes));
  };
  return {
    work: { bytes: stripeBytes, run: () => checksums.hashFrames(at, stripeBytes, frameBytes, sumsAt) },
    others: {
      "zlib-crc32":
        typeof zlib.crc32 === "function"
          ? { bytes: stripeBytes, run: crcFrames }
          : { absent: `Node ${process.version} has no zlib.crc32; use 20.15, 22.2 or newer` },
      memcpy: { bytes: stripeBytes, run: () => void data.copy(copy) },
    },
  };
}

function memoryOf(bytes: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / pageBytes);
  return new WebAssembly.Memory({ initial: pages, maximum: pages });
}

function isPresent<Library extends object>(library: Library | Absent): library is Library {
  return !("absent" in library);
}
