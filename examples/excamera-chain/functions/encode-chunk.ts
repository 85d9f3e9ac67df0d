/** The function of a link: gets its pictures, is a link, stores what it made. It may run again, or twice at a time. */
import { type Job, MayflyError } from "mayfly";
import type { FunctionContext } from "../../run-on-fleet.ts";
import type { Chunk } from "../chunk.ts";
import { runLink } from "../link.ts";
import { frameKey, type LinkEvent, packResult, resultsName } from "../run-chain.ts";
import { mayflyExchange, type StateExchange } from "../state-exchange.ts";
import { packChunk } from "../stream.ts";

/** So often an attempt that waits looks whether another one is ready with the chunk. */
const lookMs = 2000;

/** Milliseconds since 1970, finer than those of `Date`. */
const now = (): number => performance.timeOrigin + performance.now();

export async function encodeChunk(event: LinkEvent, { job }: FunctionContext): Promise<void> {
  const isOver = async (): Promise<boolean> => {
    const missing = await job.results(resultsName).stragglers([event.index]);
    return missing.length === 0;
  };
  // Its state was handed on before its result was stored.
  if (await isOver()) return;
  try {
    const link = { ...event, chunk: await chunkOf(job, event) };
    const { coded, facts, done } = await runLink(link, lookingExchange(job, isOver), now);
    const chunk = packChunk(coded);
    await job.results(resultsName).put(event.index, packResult({ facts, chunk }));
    // Only now: an attempt that dies before leaves the state to the next one.
    await done();
  } catch (thrown) {
    if (!(await isOver())) throw thrown;
  }
}

/** The state that an attempt waits for may have been acknowledged by another one, which has done all there was to do. */
function lookingExchange(job: Job, isOver: () => Promise<boolean>): StateExchange {
  const exchange = mayflyExchange(job);
  return {
    send: (to, data) => exchange.send(to, data),
    async receive(at, timeoutMs) {
      for (let leftMs = timeoutMs; ; leftMs -= lookMs) {
        try {
          return await exchange.receive(at, Math.min(lookMs, leftMs));
        } catch (thrown) {
          const { code } = MayflyError.from(thrown);
          if (code !== "DEADLINE_EXCEEDED" || leftMs <= lookMs || (await isOver())) throw thrown;
        }
      }
    },
  };
}

async function chunkOf(job: Job, { firstFrame, frames }: LinkEvent): Promise<Chunk> {
  const first = Math.max(0, firstFrame - 1);
  const keys = Array.from({ length: firstFrame + frames - first }, (_, at) => frameKey(first + at));
  const pictures = await Promise.all(keys.map((key) => job.get(key)));
  return firstFrame === 0
    ? { before: undefined, frames: pictures }
    : { before: pictures[0], frames: pictures.slice(1) };
}
