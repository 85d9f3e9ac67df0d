/**
 * Speed of coding and of checksums on one core, hot: stripes of 1 MiB of data that stay in the cache. Mayfly and its
 * peers take turns within each round, so that a slow moment of the machine hits all of them; ratios are of medians.
 */
import zlib from "node:zlib";
import { createFrameChecksums, scratchBytes } from "../src/checksum/frame-checksums.ts";
import { systemRng } from "../src/clock.ts";
import { createStripeCodec, strideFor } from "../src/erasure/codec.ts";
import { describeMachine, type MachineFacts } from "./machine.ts";

export interface CodecBenchOptions {
  readonly rounds: number;
  log(line: string): void;
}

/** A median, or why there is none. */
export type Figure = { readonly gigabytesPerSecond: number } | { readonly absent: string };

export interface CodecCase {
  readonly case: string;
  readonly mayfly: Figure;
  readonly peers: Record<string, Figure>;
  /** Above 1: Mayfly is faster than that peer. Absent peers have none. */
  readonly ratios: Record<string, number>;
}

export interface CodecReport {
  readonly scenario: "codec";
  readonly machine: MachineFacts;
  readonly rounds: number;
  readonly cases: readonly CodecCase[];
}

/** What is timed: `run` handles `bytes` of data. */
interface Contender {
  readonly bytes: number;
  run(): void;
}

type Absent = { readonly absent: string };

/** Another Reed-Solomon coder, for stripes of one code. ISA-L is to be added here, as a child process. */
interface PeerCoder {
  readonly encode: Contender;
  readonly decode: Contender;
}

interface Peer {
  readonly name: string;
  coder(d: number, p: number, shardBytes: number): PeerCoder;
}

const codes = [
  [4, 1],
  [4, 2],
  [8, 2],
  [10, 4],
] as const;
const stripeBytes = 1024 * 1024;
const frameBytes = 16 * 1024;
/** Long enough for the timer, short enough that contenders meet the same conditions. */
const sampleMs = 8;
const pageBytes = 65536;

export async function benchCodec(options: CodecBenchOptions): Promise<CodecReport> {
  const machine = describeMachine();
  const peers = [await loadWasmPeer()];
  const cases: CodecCase[] = [];
  const add = async (name: string, mayfly: Contender, others: Record<string, Contender | Absent>) => {
    const result = await compare(name, options.rounds, mayfly, others);
    options.log(describeCase(result));
    cases.push(result);
  };

  for (const [d, p] of codes) {
    const shardBytes = Math.floor(stripeBytes / d / 128) * 128;
    const own = mayflyCoder(d, p, shardBytes);
    const coders = peers.map(({ name, peer }) => ({
      name,
      coder: "absent" in peer ? peer : peer.coder(d, p, shardBytes),
    }));
    for (const operation of ["encode", "decode"] as const) {
      const others = coders.map(
        ({ name, coder }) => [name, "absent" in coder ? coder : coder[operation]] as const,
      );
      await add(`${d}+${p} ${operation}`, own[operation], Object.fromEntries(others));
    }
    await add(`${d}+${p} decode, new loss pattern`, own.decodeNew, {});
  }
  const { mayfly, others } = checksumContenders();
  await add("xxh3 16KiB frames", mayfly, others);
  return { scenario: "codec", machine, rounds: options.rounds, cases };
}

function mayflyCoder(
  d: number,
  p: number,
  shardBytes: number,
): PeerCoder & { readonly decodeNew: Contender } {
  const stride = strideFor(shardBytes);
  const pages = Math.ceil((stride * (d + p)) / pageBytes);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
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

/** The package copies the stripe into its own memory and back: that is its interface, so it is part of the figure. */
async function loadWasmPeer(): Promise<{ name: string; peer: Peer | Absent }> {
  const name = "reed-solomon-erasure";
  try {
    const { ReedSolomonErasure } = await import("@subspace/reed-solomon-erasure.wasm");
    const coder = await ReedSolomonErasure.fromCurrentDirectory();
    const checked = (result: number): void => {
      if (result !== ReedSolomonErasure.RESULT_OK) throw new Error(`${name} answered ${result}`);
    };
    return {
      name,
      peer: {
        name,
        coder(d, p, shardBytes) {
          const shards = new Uint8Array((d + p) * shardBytes);
          shards.set(systemRng.bytes(d * shardBytes));
          const present = Array.from({ length: d + p }, (_, i) => i >= p);
          const bytes = d * shardBytes;
          return {
            encode: { bytes, run: () => checked(coder.encode(shards, d, p)) },
            decode: { bytes, run: () => checked(coder.reconstruct(shards, d, p, [...present])) },
          };
        },
      },
    };
  } catch (error) {
    return { name, peer: { absent: error instanceof Error ? error.message : String(error) } };
  }
}

function checksumContenders(): { mayfly: Contender; others: Record<string, Contender | Absent> } {
  const sumsAt = scratchBytes;
  const at = sumsAt + 8 * (stripeBytes / frameBytes);
  const pages = Math.ceil((at + stripeBytes) / pageBytes);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const data = Buffer.from(memory.buffer, at, stripeBytes);
  data.set(systemRng.bytes(stripeBytes));
  const checksums = createFrameChecksums(memory, 0);
  checksums.prewarm();
  const crcFrames = (): void => {
    for (let i = 0; i < stripeBytes; i += frameBytes) zlib.crc32(data.subarray(i, i + frameBytes));
  };
  return {
    mayfly: { bytes: stripeBytes, run: () => checksums.hashFrames(at, stripeBytes, frameBytes, sumsAt) },
    others: {
      // From Node 20.15 and 22.2 on.
      "zlib crc32":
        typeof zlib.crc32 === "function"
          ? { bytes: stripeBytes, run: crcFrames }
          : { absent: "not in this Node" },
    },
  };
}

async function compare(
  name: string,
  rounds: number,
  mayfly: Contender,
  others: Record<string, Contender | Absent>,
): Promise<CodecCase> {
  const entries: [string, Contender | Absent][] = [["mayfly", mayfly], ...Object.entries(others)];
  const samples = new Map(entries.map(([key]) => [key, [] as number[]]));
  // Once unmeasured, and time for V8's background compiler.
  for (const [, contender] of entries) if (!("absent" in contender)) sample(contender);
  await new Promise((resolve) => setTimeout(resolve, 50));
  for (let round = 0; round < rounds; round++) {
    for (const [key, contender] of entries) {
      if (!("absent" in contender)) samples.get(key)!.push(sample(contender));
    }
  }
  const figure = ([key, contender]: [string, Contender | Absent]): Figure =>
    "absent" in contender ? contender : { gigabytesPerSecond: round2(median(samples.get(key)!)) };
  const own = median(samples.get("mayfly")!);
  const present = entries.slice(1).filter(([, contender]) => !("absent" in contender));
  return {
    case: name,
    mayfly: { gigabytesPerSecond: round2(own) },
    peers: Object.fromEntries(entries.slice(1).map((entry) => [entry[0], figure(entry)])),
    ratios: Object.fromEntries(present.map(([key]) => [key, round2(own / median(samples.get(key)!))])),
  };
}

/** GB/s (10^9 bytes) over at least `sampleMs`. */
function sample({ bytes, run }: Contender): number {
  const start = performance.now();
  let runs = 0;
  let elapsedMs = 0;
  do {
    run();
    runs++;
    elapsedMs = performance.now() - start;
  } while (elapsedMs < sampleMs);
  return (runs * bytes) / elapsedMs / 1e6;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}

function describeCase({ case: name, mayfly, peers, ratios }: CodecCase): string {
  const text = (figure: Figure): string =>
    "absent" in figure ? `absent (${figure.absent})` : `${figure.gigabytesPerSecond.toFixed(1)} GB/s`;
  const others = Object.entries(peers).map(
    ([peer, figure]) => `, ${peer} ${text(figure)}${peer in ratios ? ` (${ratios[peer]}x)` : ""}`,
  );
  return `${name}: mayfly ${text(mayfly)}${others.join("")}`;
}
