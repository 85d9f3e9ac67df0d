/**
 * Rebuilding runs of one stripe from any `d` of its shards: the frames that cover them all are read from so many
 * shards, decoded, and every run is filled from that.
 */
import { MayflyError } from "../../src/errors.ts";
import { frameBytes, shardAlignBytes, storedBytes } from "../../src/wire/stripe-layout.ts";
import type { ClientContext } from "../context.ts";
import type { StripeLease } from "../stripe-memory.ts";
import { checkDeadline, type Deadline, leftMs, pause } from "../transport/deadline.ts";
import { Stop } from "../transport/stop.ts";
import { type FrameRun, fetchRuns, hedgeMsOf, nodeOf } from "./fetch-runs.ts";

/** How long one shard may take before it counts as silent; another one is asked as well much sooner. */
const perShardMs = 2000;
const retryMs = 100;

type Outcome = "came" | "gone" | "silent";

/** The part of every shard that is read: whole frames, since only those can be verified. */
interface Span {
  readonly offset: number;
  readonly bytes: number;
}

/**
 * Fills `into` of the runs, which belong to one stripe. Shards in `suspects` are asked last: they may only be slow.
 * @throws MayflyError LOST when more than `p` shards are certainly gone
 */
export async function recoverRuns(
  context: ClientContext,
  runs: readonly FrameRun[],
  suspects: ReadonlySet<number>,
  deadline: Deadline,
): Promise<void> {
  const first = runs[0];
  if (first === undefined) return;
  const { code } = first.ref;
  const span = spanOf(runs, first.stripe.shardBytes);
  const codedBytes = Math.ceil(span.bytes / shardAlignBytes) * shardAlignBytes;
  for (;;) {
    const lease = await context.memory().lease(code, codedBytes, deadline);
    try {
      const { came, gone } = await gather(context, first, suspects, span, codedBytes, lease, deadline);
      if (came.length === code.d) {
        fill(context, runs, came, span, codedBytes, lease);
        return;
      }
      if (gone > code.p) throw lostError(first, gone);
    } finally {
      lease.release();
    }
    const silent = new MayflyError("UNAVAILABLE", "Too few nodes of a stripe answer to read it.");
    await context.view.refresh(deadline).catch(() => undefined);
    await pause(deadline, retryMs, silent);
  }
}

function spanOf(runs: readonly FrameRun[], shardBytes: number): Span {
  const offset = Math.min(...runs.map((run) => run.offset));
  const end = Math.max(...runs.map((run) => run.offset + run.length));
  // A short data shard ends in the middle of a frame that is whole in longer shards.
  const frameEnd = Math.min(Math.ceil(end / frameBytes) * frameBytes, shardBytes);
  return { offset, bytes: frameEnd - offset };
}

function lostError(run: FrameRun, gone: number): MayflyError {
  const { code, key } = run.ref;
  const shownKey = JSON.stringify(Buffer.from(key).toString());
  return new MayflyError(
    "LOST",
    `${gone} shards of stripe ${run.stripe.index} of the object at key ${shownKey} are gone and code ` +
      `${code.d}+${code.p} replaces ${code.p}; write it again.`,
    { refs: [run.ref.toString()] },
  );
}

/**
 * Reads the span from `d` shards if so many can be had; counts those that are certainly gone. A shard that is late is
 * still taken, but the next one is asked meanwhile.
 */
async function gather(
  context: ClientContext,
  of: FrameRun,
  suspects: ReadonlySet<number>,
  span: Span,
  codedBytes: number,
  lease: StripeLease,
  deadline: Deadline,
): Promise<{ came: number[]; gone: number }> {
  const { code } = of.ref;
  const shards = Array.from({ length: code.d + code.p }, (_, shard) => shard);
  const candidates = [
    ...shards.filter((shard) => !suspects.has(shard)),
    ...shards.filter((shard) => suspects.has(shard)),
  ];
  const came: number[] = [];
  let gone = 0;
  let next = 0;
  let failure: unknown;
  const { signal } = deadline;
  const stop = new Stop();
  const onAbort = (): void => stop.abort(signal?.reason);
  if (signal?.aborted === true) onAbort();
  else signal?.addEventListener("abort", onAbort, { once: true });
  /** Asks the next shard. Never rejects; settles when that shard and those asked in its place write nothing any more. */
  const askNext = async (): Promise<void> => {
    const shard = candidates[next++];
    if (shard === undefined || stop.aborted) return;
    const inItsPlace: Promise<void>[] = [];
    const askAnother = (): void => void inItsPlace.push(askNext());
    const node = nodeOf({ ref: of.ref, stripe: of.stripe, shard });
    const cancel = context.clock.after(hedgeMsOf(context, node), askAnother);
    try {
      const part = { ...deadline, signal: stop };
      const outcome = await fetchInto(context, of, shard, span, codedBytes, lease, part);
      if (outcome === "gone") gone += 1;
      if (outcome === "came" && came.length < code.d) came.push(shard);
      if (came.length === code.d) stop.abort(undefined);
      else if (outcome !== "came" && inItsPlace.length === 0) askAnother();
    } catch (thrown) {
      // What was called off says nothing: enough others came, or another failed first.
      if (!stop.aborted) failure = thrown;
      stop.abort(thrown);
    }
    cancel();
    await Promise.all(inItsPlace);
  };
  await Promise.all(Array.from({ length: code.d }, askNext));
  signal?.removeEventListener("abort", onAbort);
  if (failure !== undefined) throw failure;
  checkDeadline(deadline);
  return { came, gone };
}

async function fetchInto(
  context: ClientContext,
  of: FrameRun,
  shard: number,
  span: Span,
  codedBytes: number,
  lease: StripeLease,
  deadline: Deadline,
): Promise<Outcome> {
  const memory = context.memory();
  const at = lease.base + shard * lease.stride;
  const stored = storedBytes(of.stripe, of.ref.code, shard);
  const length = Math.max(0, Math.min(span.offset + span.bytes, stored) - span.offset);
  memory.buffer.fill(0, at + length, at + codedBytes);
  if (length === 0) return "came";
  const { ref, stripe } = of;
  const node = nodeOf({ ref, stripe, shard });
  const entry = context.view.node(node);
  if (entry === undefined || entry.state === "dead") return "gone";
  const perShard = { ...deadline, atMs: context.clock.now() + Math.min(perShardMs, leftMs(deadline)) };
  try {
    const into = memory.view(at, length);
    const run: FrameRun = { ref, stripe, shard, offset: span.offset, length, into };
    const [ok] = await fetchRuns(context, node, [run], perShard);
    return ok === true ? "came" : "gone";
  } catch (thrown) {
    const error = MayflyError.from(thrown);
    if (error.kind === "unavailable" || error.kind === "busy") return "silent";
    throw error;
  }
}

function fill(
  context: ClientContext,
  runs: readonly FrameRun[],
  came: readonly number[],
  span: Span,
  codedBytes: number,
  lease: StripeLease,
): void {
  const memory = context.memory();
  const { code } = runs[0]!.ref;
  if (runs.some((run) => !came.includes(run.shard))) {
    const shards = Array.from({ length: code.d + code.p }, (_, shard) => shard);
    const lost = shards.filter((shard) => !came.includes(shard));
    memory.codec(code).reconstruct(lease.base, lease.stride, codedBytes, lost);
  }
  for (const run of runs) {
    const at = lease.base + run.shard * lease.stride + run.offset - span.offset;
    run.into.set(memory.view(at, run.length));
  }
}
