/** The coordinator of a chain: stores the pictures, starts the links, puts together what they made. */
import { type Job, MayflyError } from "mayfly";
import type { Executor, HandlerRef } from "../run-on-fleet.ts";
import { type Coding, checkCoding } from "./codec.ts";
import type { LinkFacts } from "./link.ts";
import { joinStream } from "./stream.ts";

export interface ChainRun {
  readonly job: Job;
  readonly executor: Executor;
  readonly coding: Coding;
  readonly frames: readonly Uint8Array[];
  /** Frames of a link; the last one may have fewer. */
  readonly framesPerLink: number;
  readonly onProgress: (links: number) => void;
}

export interface ChainResult {
  readonly stream: Uint8Array;
  /** By link. */
  readonly facts: readonly LinkFacts[];
}

/** What a link is called with. */
export interface LinkEvent {
  readonly index: number;
  readonly links: number;
  readonly coding: Coding;
  readonly firstFrame: number;
  readonly frames: number;
  readonly timeoutMs: number;
}

export const resultsName = "links";
/** Of a link: until its neighbour has handed on. All of them: until the last one is there. */
const linkTimeoutMs = 120_000;
const chainTimeoutMs = 840_000;
const putsAtATime = 8;
const factsLengthBytes = 4;

const encodeChunk: HandlerRef = {
  module: new URL("./functions/encode-chunk.js", import.meta.url).href,
  name: "encodeChunk",
};

export function frameKey(index: number): string {
  return `frames/${index}`;
}

/**
 * A link waits only for links before it, and functions begin in the order of their events: of those that are not ready the first
 * one runs or is the next to run, and all that it waits for is there. So any number of workers will do; with fewer than links
 * there is just less at a time.
 * @throws MayflyError what a link threw; DEADLINE_EXCEEDED after 14 minutes
 */
export async function runChain(run: ChainRun): Promise<ChainResult> {
  const { job, executor, coding, frames, framesPerLink } = run;
  checkCoding(coding);
  await storeFrames(job, frames);
  const links = Math.ceil(frames.length / framesPerLink);
  const events = Array.from({ length: links }, (_, index): LinkEvent => {
    const firstFrame = index * framesPerLink;
    const count = Math.min(framesPerLink, frames.length - firstFrame);
    return { index, links, coding, firstFrame, frames: count, timeoutMs: linkTimeoutMs };
  });
  const stop = new AbortController();
  const chunks = gather(run, links, stop.signal);
  const all = executor.map(encodeChunk, events).catch((thrown: unknown) => {
    // Without it the results would be waited for in vain.
    stop.abort(thrown);
    throw thrown;
  });
  const [, gathered] = await Promise.all([all, chunks]);
  return {
    stream: joinStream(
      coding,
      gathered.map(({ chunk }) => chunk),
    ),
    facts: gathered.map(({ facts }) => facts),
  };
}

async function storeFrames(job: Job, frames: readonly Uint8Array[]): Promise<void> {
  for (let first = 0; first < frames.length; first += putsAtATime) {
    const some = frames.slice(first, first + putsAtATime);
    await Promise.all(some.map((frame, at) => job.put(frameKey(first + at), frame)));
  }
}

interface LinkResult {
  readonly facts: LinkFacts;
  /** Coded frames as in a stream. */
  readonly chunk: Uint8Array;
}

async function gather(
  { job, onProgress }: ChainRun,
  links: number,
  signal: AbortSignal,
): Promise<LinkResult[]> {
  const results: LinkResult[] = [];
  let ready = 0;
  for await (const { id, data } of job
    .results(resultsName)
    .first(links, { timeoutMs: chainTimeoutMs, signal })) {
    results[Number(id)] = unpackResult(data);
    ready += 1;
    onProgress(ready);
  }
  return results;
}

export function packResult({ facts, chunk }: LinkResult): Uint8Array {
  const head = Buffer.from(JSON.stringify(facts));
  const length = Buffer.alloc(factsLengthBytes);
  length.writeUInt32LE(head.length);
  return Buffer.concat([length, head, chunk]);
}

function unpackResult(data: Uint8Array): LinkResult {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  const end = factsLengthBytes + bytes.readUInt32LE(0);
  if (end > bytes.length) throw new MayflyError("DAMAGED", "a link's result is shorter than it says");
  const facts = JSON.parse(bytes.toString("utf8", factsLengthBytes, end)) as LinkFacts;
  return { facts, chunk: bytes.subarray(end) };
}
