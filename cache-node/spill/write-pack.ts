/**
 * Moves objects from memory to the object store: their data are gathered, written as one stored object, and then each ref is
 * changed if it is still what it was. Until that is on all members of the row the memory copy stays; what came to nothing by then
 * is garbage in the store, never a hole in the data.
 */
import type { ObjectStore } from "../../src/durable/object-store.ts";
import { MayflyError } from "../../src/errors.ts";
import type { JobNumber, ObjectId } from "../../src/ids.ts";
import { encodePackIndex } from "../../src/wire/pack-index.ts";
import { decodeRef, encodeRef, type Ref, type StoredPlace } from "../../src/wire/ref.ts";
import { framedAt, framedBytes } from "../../src/wire/stored-layout.ts";
import { eachLimited } from "../relocation/each-limited.ts";
import { objectOfRef } from "../relocation/glance-at-ref.ts";
import type { RelocationCells } from "../relocation/relocation-cells.ts";
import type { SupersededShards } from "../relocation/superseded-shards.ts";
import { type GatherOptions, gatherStripe } from "./gather-stripe.ts";
import type { PackMemory } from "./pack-memory.ts";
import type { SpillPack } from "./plan-spill.ts";
import type { SpillCandidate } from "./spill-queue.ts";

export interface WritePackOptions extends GatherOptions {
  readonly cells: RelocationCells;
  readonly superseded: SupersededShards;
  readonly packMemory: PackMemory;
  /** May reject as the calls of the store do. */
  readonly store: () => Promise<ObjectStore>;
  /** A new name for a stored object of the job. */
  readonly nameFor: (job: JobNumber) => string;
  /** What is larger is sent in parts, */
  readonly wholeBytesMax: number;
  /** of this size. */
  readonly packBytes: number;
}

export interface PackOutcome {
  /** They lie in the store and no longer in memory, or are about to be freed there. */
  readonly spilled: readonly SpillCandidate[];
  /** Nothing is to be done about them: they were overwritten, deleted or lost, or are led by another node. */
  readonly gone: readonly SpillCandidate[];
  /** They are where they were, and may be tried again. */
  readonly failed: readonly SpillCandidate[];
  readonly failure: MayflyError | undefined;
  /** What was written, if something was. */
  readonly stored: StoredPack | undefined;
}

export interface StoredPack {
  readonly job: JobNumber;
  readonly name: string;
  readonly sizeBytes: number;
  /** Whose refs name it now. */
  readonly objects: readonly ObjectId[];
  /** No other ref can name it: those that were not changed never will be. */
  readonly certain: boolean;
}

/** An object that is to go, and its ref as it was read. */
interface Leaving {
  readonly candidate: SpillCandidate;
  readonly encoded: Uint8Array;
  readonly ref: Ref;
}

/** Small objects cost round trips; the scratch memory bounds what is gathered at once. */
const objectsInFlight = 8;
const putTimeoutMs = 60_000;
/** What no pack can hold: a part of it at a time, and never for ever. */
const uploadTimeoutMs = 10 * 60_000;

/** Never rejects: what failed is in the outcome. */
export async function writePack(
  options: WritePackOptions,
  pack: SpillPack<SpillCandidate>,
  signal: AbortSignal,
): Promise<PackOutcome> {
  const leaving: Leaving[] = [];
  const gone: SpillCandidate[] = [];
  for (const candidate of pack.objects) {
    const encoded = refOf(options.cells, candidate);
    const ref = encoded && decodeRef(encoded);
    if (encoded === undefined || ref?.stripes === undefined) gone.push(candidate);
    else leaving.push({ candidate, encoded, ref });
  }
  // Those that were read back lie in the store already.
  const copied = leaving.filter(({ ref }) => ref.stored !== undefined);
  const fresh = leaving.filter(({ ref }) => ref.stored === undefined);
  const placed: Placed[] = copied.map((each) => ({ ...each, place: each.ref.stored! }));
  let failure: MayflyError | undefined;
  let written: Written | undefined;
  try {
    written = fresh.length === 0 ? undefined : await write(options, pack.job, fresh, signal);
    placed.push(...(written?.placed ?? []));
    gone.push(...(written?.lost ?? []));
    failure = written?.failure;
  } catch (thrown) {
    failure = MayflyError.from(thrown);
  }
  const changed = await changeRefs(options, placed);
  const settled = new Set([...changed.spilled, ...changed.gone, ...gone]);
  const names = new Set(changed.spilled);
  return {
    spilled: changed.spilled,
    gone: [...gone, ...changed.gone],
    failed: leaving.map(({ candidate }) => candidate).filter((candidate) => !settled.has(candidate)),
    failure: failure ?? changed.failure,
    stored: written && {
      ...{ job: pack.job, name: written.name, sizeBytes: written.sizeBytes },
      objects: fresh.filter(({ candidate }) => names.has(candidate)).map(({ candidate }) => candidate.object),
      certain: changed.failure === undefined,
    },
  };
}

interface Placed extends Leaving {
  readonly place: StoredPlace;
}

interface Written {
  readonly name: string;
  readonly sizeBytes: number;
  readonly placed: readonly Placed[];
  readonly lost: readonly SpillCandidate[];
  /** Why some are not there. */
  readonly failure: MayflyError | undefined;
}

async function write(
  options: WritePackOptions,
  job: JobNumber,
  objects: readonly Leaving[],
  signal: AbortSignal,
): Promise<Written | undefined> {
  const store = await options.store();
  const [only] = objects;
  if (objects.length === 1 && only !== undefined && sizeOf(only.ref) > options.wholeBytesMax) {
    const name = options.nameFor(job);
    const pieces = framedPieces(options, job, only.ref, signal);
    const { sizeBytes } = await store.upload(name, pieces, {
      ...{ timeoutMs: uploadTimeoutMs, signal, partBytes: options.packBytes },
    });
    const place = { name, offset: 0, layout: "framed" } as const;
    return { name, sizeBytes, placed: [{ ...only, place }], lost: [], failure: undefined };
  }
  const lengths = objects.map(({ ref }) => sizeOf(ref));
  const memory = options.packMemory.take(lengths.reduce((sum, bytes) => sum + bytes, 0));
  const parts: { readonly from: Leaving; readonly bytes: Uint8Array }[] = [];
  const lost: SpillCandidate[] = [];
  let failure: MayflyError | undefined;
  let end = 0;
  const regions = lengths.map((bytes) => {
    end += bytes;
    return memory.subarray(end - bytes, end);
  });
  const came = new Set<number>();
  await eachLimited([...objects.keys()], objectsInFlight, async (index) => {
    const { ref, candidate } = objects[index]!;
    try {
      await gatherObject(options, job, ref, regions[index]!, signal);
      came.add(index);
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      if (error.code === "LOST") lost.push(candidate);
      else failure ??= error;
    }
  });
  for (const [index, from] of objects.entries()) {
    if (came.has(index)) parts.push({ from, bytes: regions[index]! });
  }
  if (parts.length === 0) {
    options.packMemory.giveBack(memory);
    if (failure !== undefined) throw failure;
    return undefined;
  }
  const name = options.nameFor(job);
  const body = [...parts.map(({ bytes }) => bytes), encodePackIndex(parts.map(({ from }) => from.ref))];
  // What a put that failed still sends from is not used for anything else.
  await store.put(name, body, { timeoutMs: putTimeoutMs, signal });
  options.packMemory.giveBack(memory);
  let offset = 0;
  const placed = parts.map(({ from, bytes }): Placed => {
    const place = { name, offset, layout: "framed" } as const;
    offset += bytes.length;
    return { ...from, place };
  });
  return { name, sizeBytes: offset, placed, lost, failure };
}

function sizeOf({ sizeBytes, code }: Ref): number {
  return framedBytes(sizeBytes, code);
}

async function gatherObject(
  options: GatherOptions,
  job: JobNumber,
  ref: Ref,
  into: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  for (const index of ref.stripes!.keys()) {
    const { start, end } = stripeSpan(ref, index);
    await gatherStripe(options, job, ref, index, into.subarray(start, end), signal);
  }
}

/** A stripe at a time, each in memory of its own: the store may still send from the one before. */
async function* framedPieces(
  options: GatherOptions,
  job: JobNumber,
  ref: Ref,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  for (const index of ref.stripes!.keys()) {
    const { start, end } = stripeSpan(ref, index);
    const piece = Buffer.allocUnsafeSlow(end - start);
    await gatherStripe(options, job, ref, index, piece, signal);
    yield piece;
  }
  yield encodePackIndex([ref]);
}

/** Where the stripe lies in the framed object. */
export function stripeSpan(
  { sizeBytes, code, stripes }: Pick<Ref, "sizeBytes" | "code" | "stripes">,
  index: number,
  count: number = stripes!.length,
): { readonly start: number; readonly end: number } {
  const isLast = index === count - 1;
  return {
    start: framedAt(sizeBytes, code, index, 0, 0),
    end: isLast ? framedBytes(sizeBytes, code) : framedAt(sizeBytes, code, index + 1, 0, 0),
  };
}

async function changeRefs(
  { cells, superseded }: WritePackOptions,
  placed: readonly Placed[],
): Promise<{
  readonly spilled: SpillCandidate[];
  readonly gone: SpillCandidate[];
  readonly failure: MayflyError | undefined;
}> {
  const spilled: SpillCandidate[] = [];
  const gone: SpillCandidate[] = [];
  let failure: MayflyError | undefined;
  const change = async ({ candidate, encoded, ref, place }: Placed): Promise<void> => {
    const { job, group, name, object } = candidate;
    try {
      const now = refOf(cells, candidate);
      // Overwritten, deleted, or placed anew by a repair: that one is tried again.
      if (now === undefined) gone.push(candidate);
      if (now === undefined || Buffer.compare(now, encoded) !== 0) return;
      const value = encodeRef({ ...ref, stripes: undefined, stored: place });
      if (!(await cells.relocate(job, group, name, object, value))) {
        gone.push(candidate);
        return;
      }
    } catch (thrown) {
      // The row has moved, or the node is closing: nobody here knows what became of it.
      failure ??= MayflyError.from(thrown);
      return;
    }
    spilled.push(candidate);
    const left = ref.stripes!.flatMap((nodes, stripe) =>
      nodes.map((node, index) => ({ node, stripe, index })),
    );
    superseded.free(candidate, left);
  };
  await Promise.all(placed.map(change));
  return { spilled, gone, failure };
}

function refOf(cells: RelocationCells, { job, group, name, object }: SpillCandidate): Uint8Array | undefined {
  const value = cells.ref(job, group, name);
  return value !== undefined && objectOfRef(value) === object ? value : undefined;
}
