/** Many ranges of many objects in one call: batched by node where refs say where their bytes lie. */
import { MayflyError } from "../../src/errors.ts";
import type { NodeId, ObjectId } from "../../src/ids.ts";
import { Ref } from "../../src/wire/ref.ts";
import type { CellValue } from "../cells.ts";
import type { ClientContext } from "../context.ts";
import { checkDeadline, type Deadline } from "../transport/deadline.ts";
import { together } from "../transport/together.ts";
import { findRefs, forgetRef, newestRef } from "./find-refs.ts";
import { copyRange, isSamePlace, readObject, resolveRange } from "./read-object.ts";
import { type RangeRead, readRanges } from "./read-ranges.ts";
import { fetchStored } from "./read-stored.ts";
import { resultMemory } from "./result-memory.ts";

/** @throws MayflyError INVALID_ARGUMENT when the range is not wholly inside the object, or `into` is too small */
export function checkRangeRead({ ref, offset, length, into }: RangeRead): void {
  const resolved = resolveRange({ start: offset, end: offset + length }, ref.sizeBytes);
  if (resolved.length < length) {
    throw new MayflyError(
      "INVALID_ARGUMENT",
      `The range of ${length} bytes from ${offset} on ends behind the object's ${ref.sizeBytes} bytes.`,
    );
  }
  resultMemory(length, into);
}

/** @param cellOf reads the cell that an inline ref names */
export async function readRangesOf(
  context: ClientContext,
  reads: readonly RangeRead[],
  deadline: Deadline,
  cellOf: (ref: Ref) => Promise<CellValue>,
): Promise<void> {
  const inline = reads.filter(({ ref }) => ref.inline);
  const others = reads.filter(({ ref }) => !ref.inline);
  await together(deadline, (part) => [
    readObjects(context, others, part),
    ...inline.map(async ({ ref, offset, length, into }) => {
      copyRange((await cellOf(ref)).value, { start: offset, end: offset + length }, into);
    }),
  ]);
}

/**
 * Reads from nodes and from the store. Objects that do not lie where their refs say are looked up together, as often as that leads
 * to another place; the last word has `readObject`, which tells what became of an object.
 */
async function readObjects(
  context: ClientContext,
  reads: readonly RangeRead[],
  deadline: Deadline,
): Promise<void> {
  /** Objects that are in the store, and too few of their shards on nodes. */
  const gone = new Set<ObjectId>();
  for (const { ref } of reads) if (lacksNodes(context, ref)) gone.add(ref.object);
  let left = reads.map((read) => ({ ...read, ref: newestRef(context, read.ref) }));
  while (left.length > 0) {
    checkDeadline(deadline);
    const { undone, lost } = await readOnce(context, left, gone, deadline);
    const newest = await findRefs(context, new Set(undone.map(({ ref }) => ref)), deadline);
    left = [];
    const moved = new Set<ObjectId>();
    const onlyStored = new Set<ObjectId>();
    for (const read of undone) {
      const { ref } = read;
      const found = newest.get(ref.object);
      if (found !== undefined && !isSamePlace(found, ref)) {
        moved.add(ref.object);
        left.push({ ...read, ref: found });
      } else if (!lost.has(ref.object)) left.push(read);
      else if (ref.stripes !== undefined && ref.stored !== undefined && !gone.has(ref.object)) {
        onlyStored.add(ref.object);
        left.push(read);
      } else {
        const range = { start: read.offset, end: read.offset + read.length };
        await readObject(context, ref, range, read.into, deadline);
      }
    }
    for (const object of moved) gone.delete(object);
    for (const object of onlyStored) gone.add(object);
  }
}

interface Unfinished {
  readonly undone: readonly RangeRead[];
  /** Objects that are certainly not where the refs say. */
  readonly lost: ReadonlySet<ObjectId>;
}

/** One request for each range, where its ref says that it lies. What is done is done; nothing is written when this has settled. */
async function readOnce(
  context: ClientContext,
  reads: readonly RangeRead[],
  gone: ReadonlySet<ObjectId>,
  deadline: Deadline,
): Promise<Unfinished> {
  const isStored = ({ ref }: RangeRead): boolean =>
    ref.stored !== undefined && (ref.stripes === undefined || gone.has(ref.object));
  const stored = reads.filter(isStored);
  const onNodes = reads.filter((read) => read.ref.stripes !== undefined && !isStored(read));
  const undone = reads.filter(({ ref }) => ref.stripes === undefined && ref.stored === undefined);
  const lost = new Set(undone.map(({ ref }) => ref.object));
  const readFromStore = async (part: Deadline): Promise<void> => {
    for (const [read, error] of await fetchStored(context, stored, part)) {
      if (error.code !== "LOST") throw error;
      forgetRef(context, read.ref);
      lost.add(read.ref.object);
      undone.push(read);
    }
  };
  const readFromNodes = async (part: Deadline): Promise<void> => {
    try {
      await readRanges(context, onNodes, part);
    } catch (thrown) {
      const { code, refs } = MayflyError.from(thrown);
      if (code !== "LOST") throw thrown;
      for (const text of refs) lost.add(Ref.parse(text).object);
      undone.push(...onNodes);
    }
  };
  await together(deadline, (part) => [readFromStore(part), readFromNodes(part)]);
  return { undone, lost };
}

/** More nodes of a stripe are dead or unknown than parity replaces, and the bytes lie in the store as well. */
function lacksNodes({ view }: ClientContext, { stripes, stored, code }: Ref): boolean {
  if (stored === undefined) return false;
  const isAway = (id: NodeId): boolean => (view.node(id)?.state ?? "dead") === "dead";
  return stripes?.some((nodes) => nodes.filter(isAway).length > code.p) ?? false;
}
