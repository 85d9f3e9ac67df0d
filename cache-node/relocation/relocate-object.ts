/**
 * Relocates one object: its stripes in parts, and after each part one change of its ref, a compare-and-set on the object.
 * Memory is bounded by the part, and what is done stays done when a later part fails.
 */
import type { StopSignal } from "../../client/transport/stop.ts";
import { MayflyError } from "../../src/errors.ts";
import type { NodeId } from "../../src/ids.ts";
import { decodeRef, encodeRef, type Ref } from "../../src/wire/ref.ts";
import { stripeAt } from "../../src/wire/stripe-layout.ts";
import { eachLimited } from "./each-limited.ts";
import { objectOfRef } from "./glance-at-ref.ts";
import { type MoveOptions, moveStripe, type StripeMoved } from "./move-shards.ts";
import { hasLostStripe, planStripe, statesOf } from "./plan-relocation.ts";
import type { RelocationCells } from "./relocation-cells.ts";
import type { HomeKey, SupersededShards } from "./superseded-shards.ts";

export interface RelocateOptions extends MoveOptions {
  readonly cells: RelocationCells;
  readonly superseded: SupersededShards;
  /** Resolves when so many more bytes may be moved. */
  readonly pace: (bytes: number) => Promise<void>;
  /** Between two changes of a ref; 256 by default. */
  readonly stripesPerCommit?: number | undefined;
}

export interface RelocationOutcome {
  /** The ref as it is now; undefined when the key holds another object or nothing. */
  readonly ref: Ref | undefined;
  readonly movedBytes: number;
  /** Stripes of which too few shards are left, whatever the map says of their nodes. */
  readonly lostStripes: number;
  /** Why some shards that should have moved did not; undefined when all did, or found no node. */
  readonly failure: MayflyError | undefined;
}

const stripesPerCommitDefault = 256;
const stripesInFlight = 4;

/** The stripes of one part that were worked on. */
interface Part {
  readonly moved: Map<number, StripeMoved>;
  movedBytes: number;
  lostStripes: number;
  failure: MayflyError | undefined;
}

/** @throws MayflyError MOVED, ABORTED (what was written is left to the collection of orphans), JOB_ENDED */
export async function relocateObject(
  options: RelocateOptions,
  target: HomeKey,
  signal: StopSignal,
): Promise<RelocationOutcome> {
  const { cells, stripesPerCommit = stripesPerCommitDefault } = options;
  let [movedBytes, lostStripes] = [0, 0];
  let failure: MayflyError | undefined;
  let encoded = refOf(cells, target);
  let ref = encoded && decodeRef(encoded);
  if (ref?.stored !== undefined && hasLostStripe(ref, statesOf(options.map()?.nodes ?? []))) {
    return await leaveToStore(options, target, ref, encoded!);
  }
  const count = ref?.stripes?.length ?? 0;
  for (let from = 0; from < count && encoded !== undefined && ref !== undefined; from += stripesPerCommit) {
    const indexes = Array.from(ref.stripes!.keys()).slice(from, from + stripesPerCommit);
    const part = await movePart(options, target, ref, indexes, signal);
    lostStripes += part.lostStripes;
    failure ??= part.failure;
    if (part.lostStripes > 0 && ref.stored !== undefined) {
      return await leaveToStore(options, target, ref, encoded);
    }
    if (part.moved.size > 0) {
      encoded = await commitPart(options, target, ref, encoded, part.moved);
      if (encoded !== undefined) movedBytes += part.movedBytes;
      ref = encoded && decodeRef(encoded);
    }
    if (signal.aborted) throw new MayflyError("ABORTED", "This node no longer leads the row of the object.");
  }
  // Shards that were not found may have been freed, with their object.
  if (refOf(cells, target) === undefined)
    return { ref: undefined, movedBytes, lostStripes: 0, failure: undefined };
  return { ref, movedBytes, lostStripes, failure };
}

/** What is left of the memory copy of an object that lies in the object store as well is given up. */
async function leaveToStore(
  { cells, superseded }: RelocateOptions,
  target: HomeKey,
  ref: Ref,
  encoded: Uint8Array,
): Promise<RelocationOutcome> {
  const found = refOf(cells, target);
  if (found === undefined) return { ref: undefined, movedBytes: 0, lostStripes: 0, failure: undefined };
  if (Buffer.compare(found, encoded) !== 0) throw placedAnew();
  const value = encodeRef({ ...ref, stripes: undefined });
  const { job, group, name, object } = target;
  const isDone = await cells.relocate(job, group, name, object, value);
  const left = ref.stripes!.flatMap((nodes, stripe) => nodes.map((node, index) => ({ node, stripe, index })));
  if (isDone) superseded.free(target, left);
  const changed = isDone ? decodeRef(value) : undefined;
  return { ref: changed, movedBytes: 0, lostStripes: 0, failure: undefined };
}

function placedAnew(): MayflyError {
  return new MayflyError("UNAVAILABLE", "The object was placed anew while it was relocated.");
}

function refOf(cells: RelocationCells, { job, group, name, object }: HomeKey): Uint8Array | undefined {
  const value = cells.ref(job, group, name);
  return value !== undefined && objectOfRef(value) === object ? value : undefined;
}

async function movePart(
  options: RelocateOptions,
  { job }: HomeKey,
  ref: Ref,
  indexes: readonly number[],
  signal: StopSignal,
): Promise<Part> {
  const part: Part = { moved: new Map(), movedBytes: 0, lostStripes: 0, failure: undefined };
  const stripes = ref.stripes ?? [];
  await eachLimited(indexes, stripesInFlight, async (index) => {
    const map = options.map();
    if (signal.aborted || map === undefined) return;
    const placed = stripes[index]!;
    const plan = planStripe(placed, ref.code, map, statesOf(map.nodes), options.rng);
    if (plan.moves.length === 0) return;
    const stripe = stripeAt(ref.sizeBytes, ref.code, index);
    await options.pace(plan.moves.length * stripe.shardBytes);
    try {
      const moved = await moveStripe(options, { job, ref, stripe, placed, moves: plan.moves }, signal);
      if (moved.lost) part.lostStripes += 1;
      if (moved.failed > 0) {
        part.failure ??= new MayflyError("BUSY", `${moved.failed} shards found no node that took them.`);
      }
      if (moved.written.length > 0) part.moved.set(index, moved);
      for (const { bytes } of moved.written) part.movedBytes += bytes;
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      if (error.kind !== "unavailable" && error.kind !== "busy") throw error;
      part.failure ??= error;
    }
  });
  return part;
}

/**
 * Puts the new places of a part into the ref. Returns the new ref, or undefined when the object was overwritten or
 * deleted meanwhile: then what was written for it is freed. What an error leaves open is left to the collection of
 * orphans, since the ref may have been changed all the same.
 */
async function commitPart(
  { cells, superseded }: RelocateOptions,
  target: HomeKey,
  ref: Ref,
  encoded: Uint8Array,
  moved: ReadonlyMap<number, StripeMoved>,
): Promise<Uint8Array | undefined> {
  const freeWritten = (): undefined => {
    const left = [...moved].flatMap(([stripe, { written }]) =>
      written.map(({ index, node }) => ({ node, stripe, index })),
    );
    superseded.freeGone(target, left);
  };
  const now = refOf(cells, target);
  if (now === undefined) return freeWritten();
  if (Buffer.compare(now, encoded) !== 0) throw placedAnew();
  const before = ref.stripes ?? [];
  const stripes = before.map((placed, stripe) => moved.get(stripe)?.placed ?? placed);
  const isSame = (placed: readonly NodeId[], stripe: number): boolean =>
    String(placed) === String(before[stripe]);
  // Damaged shards were replaced where they are: no ref changes by that.
  if (stripes.every(isSame)) return encoded;
  const value = encodeRef({ ...ref, stripes });
  const { job, group, name, object } = target;
  if (!(await cells.relocate(job, group, name, object, value))) return freeWritten();
  const left = [...moved.keys()].flatMap((stripe) =>
    before[stripe]!.flatMap((node, index) =>
      stripes[stripe]![index] !== node ? [{ node, stripe, index }] : [],
    ),
  );
  superseded.free(target, left);
  return value;
}
