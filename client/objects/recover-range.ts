/** Rebuilding what a shard should have answered, from any `d` of the other shards of its stripe. */
import { MayflyError } from "../../src/errors.ts";
import type { NodeId } from "../../src/ids.ts";
import { frameBytes, shardAlignBytes, storedBytes } from "../../src/wire/stripe-layout.ts";
import type { ClientContext } from "../context.ts";
import type { StripeLease } from "../stripe-memory.ts";
import { checkDeadline, type Deadline, leftMs, pause } from "../transport/deadline.ts";
import { type FrameRun, fetchRuns } from "./read-ranges.ts";

/** How long one shard may take before another one is asked as well. */
const perShardMs = 2000;
const retryMs = 100;

type Outcome = "came" | "gone" | "silent";

/**
 * Fills `run.into` from the other shards of the stripe; the shard itself is asked again when too few answer.
 * @throws MayflyError LOST when more than `p` shards are certainly gone
 */
export async function recoverRange(context: ClientContext, run: FrameRun, deadline: Deadline): Promise<void> {
  const { code } = run.ref;
  const spanBytes = spanOf(run);
  const shardBytes = Math.ceil(spanBytes / shardAlignBytes) * shardAlignBytes;
  for (;;) {
    const lease = await context.memory().lease(code, shardBytes, deadline);
    try {
      const { filled, gone } = await tryRecover(context, run, lease, shardBytes, deadline);
      if (filled) return;
      if (gone > code.p) throw lostError(run, gone);
    } finally {
      lease.release();
    }
    const silent = new MayflyError("UNAVAILABLE", "Too few nodes of a stripe answer to read it.");
    await context.view.refresh(deadline).catch(() => undefined);
    await pause(deadline, retryMs, silent);
  }
}

/**
 * Bytes of every shard that are needed: the run may end with a short data shard in the middle of a frame that is whole
 * in longer shards, and only whole frames can be verified.
 */
function spanOf(run: FrameRun): number {
  const frameEnd = Math.ceil((run.offset + run.length) / frameBytes) * frameBytes;
  return Math.min(frameEnd, run.stripe.shardBytes) - run.offset;
}

function lostError(run: FrameRun, gone: number): MayflyError {
  const { code, key } = run.ref;
  return new MayflyError(
    "LOST",
    `${gone} shards of stripe ${run.stripe.index} of the object at key ${JSON.stringify(Buffer.from(key).toString())} ` +
      `are gone and code ${code.d}+${code.p} replaces ${code.p}; write it again.`,
    { refs: [run.ref.toString()] },
  );
}

/** Whether the run was filled, and how many shards are certainly gone. */
async function tryRecover(
  context: ClientContext,
  run: FrameRun,
  lease: StripeLease,
  shardBytes: number,
  deadline: Deadline,
): Promise<{ filled: boolean; gone: number }> {
  const { code } = run.ref;
  const others = Array.from({ length: code.d + code.p }, (_, shard) => shard).filter(
    (shard) => shard !== run.shard,
  );
  // The shard that did not come is the last resort: it may only have been slow.
  const candidates = [...others, run.shard];
  const came: number[] = [];
  let gone = 0;
  let next = 0;
  const fetchNext = async (): Promise<void> => {
    for (let shard = candidates[next++]; shard !== undefined; shard = candidates[next++]) {
      const outcome = await fetchInto(context, run, shard, lease, shardBytes, deadline);
      if (outcome === "came") {
        came.push(shard);
        return;
      }
      if (outcome === "gone") gone += 1;
    }
  };
  await Promise.all(Array.from({ length: code.d }, fetchNext));
  checkDeadline(deadline);
  const memory = context.memory();
  const at = lease.base + run.shard * lease.stride;
  if (!came.includes(run.shard)) {
    if (came.length < code.d) return { filled: false, gone };
    const lost = candidates.filter((shard) => !came.includes(shard));
    memory.codec(code).reconstruct(lease.base, lease.stride, shardBytes, lost);
  }
  run.into.set(memory.view(at, run.length));
  return { filled: true, gone };
}

async function fetchInto(
  context: ClientContext,
  run: FrameRun,
  shard: number,
  lease: StripeLease,
  shardBytes: number,
  deadline: Deadline,
): Promise<Outcome> {
  const memory = context.memory();
  const at = lease.base + shard * lease.stride;
  const stored = storedBytes(run.stripe, run.ref.code, shard);
  const length = Math.max(0, Math.min(run.offset + spanOf(run), stored) - run.offset);
  memory.buffer.fill(0, at + length, at + shardBytes);
  if (length === 0) return "came";
  const node: NodeId = run.ref.stripes![run.stripe.index]![shard]!;
  const entry = context.view.node(node);
  if (entry === undefined || entry.state === "dead") return "gone";
  const perShard = { ...deadline, atMs: context.clock.now() + Math.min(perShardMs, leftMs(deadline)) };
  try {
    const into = memory.view(at, length);
    const [ok] = await fetchRuns(context, node, [{ ...run, shard, length, into }], perShard);
    return ok === true ? "came" : "gone";
  } catch (thrown) {
    const error = MayflyError.from(thrown);
    if (error.kind === "unavailable" || error.kind === "busy" || error.code === "CLOSED") return "silent";
    throw error;
  }
}
