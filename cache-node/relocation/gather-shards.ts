/** Brings any `d` shards of a stripe into the scratch memory, so that the others can be rebuilt there. */
import type { Deadline } from "../../client/transport/deadline.ts";
import { Stop } from "../../client/transport/stop.ts";
import type { Cancel } from "../../src/clock.ts";
import type { Fetched } from "./shard-transfer.ts";

/** A shard that takes longer is still taken, but the next one is asked meanwhile. Nobody waits for a relocation. */
const hedgeMs = 1000;

export interface Gathered {
  readonly came: readonly number[];
  /** Asked for, and not there or damaged. */
  readonly gone: readonly number[];
}

/**
 * Asks `candidates` in their order until `wanted` have come or none is left. Nothing is fetched any more when this
 * settles: what came too late was called off.
 * @throws what `fetch` throws, ABORTED when the deadline's signal says so
 */
export async function gatherShards(
  candidates: readonly number[],
  wanted: number,
  fetch: (index: number, deadline: Deadline) => Promise<Fetched>,
  deadline: Deadline,
): Promise<Gathered> {
  const came: number[] = [];
  const gone: number[] = [];
  let next = 0;
  let failure: unknown;
  const { signal, clock } = deadline;
  const stop = new Stop();
  const onAbort = (): void => stop.abort(signal?.reason);
  if (signal?.aborted === true) onAbort();
  else signal?.addEventListener("abort", onAbort, { once: true });
  /** Asks the next one. Never rejects; settles when it and those asked in its place are done. */
  const askNext = async (): Promise<void> => {
    const index = candidates[next++];
    if (index === undefined || stop.aborted) return;
    const others: Promise<void>[] = [];
    const askAnother = (): void => {
      if (others.length === 0) others.push(askNext());
    };
    const cancel: Cancel = clock.after(hedgeMs, askAnother, true);
    try {
      const outcome = await fetch(index, { ...deadline, signal: stop });
      if (outcome === "gone") gone.push(index);
      if (outcome === "came" && came.length < wanted) came.push(index);
      if (came.length === wanted) stop.abort(undefined);
      else if (outcome !== "came") askAnother();
    } catch (thrown) {
      if (!stop.aborted) failure = thrown;
      stop.abort(thrown);
    }
    cancel();
    await Promise.all(others);
  };
  await Promise.all(Array.from({ length: wanted }, askNext));
  signal?.removeEventListener("abort", onAbort);
  if (failure !== undefined) throw failure;
  return { came, gone };
}
