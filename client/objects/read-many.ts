/** Many ranges of many objects in one call: batched by node where refs say where their bytes lie. */
import { MayflyError } from "../../src/errors.ts";
import type { Ref } from "../../src/wire/ref.ts";
import type { CellValue } from "../cells.ts";
import type { ClientContext } from "../context.ts";
import type { Deadline } from "../transport/deadline.ts";
import { together } from "../transport/together.ts";
import { copyRange, readObject, resolveRange } from "./read-object.ts";
import { type RangeRead, readRanges } from "./read-ranges.ts";
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
  const one = async (read: RangeRead, part: Deadline): Promise<void> => {
    const { ref, offset, into } = read;
    const range = { start: offset, end: offset + read.length };
    if (ref.inline) copyRange((await cellOf(ref)).value, range, into);
    else await readObject(context, ref, range, into, part);
  };
  const located = reads.filter((read) => read.ref.stripes !== undefined);
  const others = reads.filter((read) => read.ref.stripes === undefined);
  await together(deadline, (part) => [
    readLocated(context, located, part, one),
    ...others.map((read) => one(read, part)),
  ]);
}

/** An object that does not lie where its ref says is read by itself: that tells what became of it. */
async function readLocated(
  context: ClientContext,
  reads: readonly RangeRead[],
  deadline: Deadline,
  one: (read: RangeRead, deadline: Deadline) => Promise<void>,
): Promise<void> {
  try {
    await readRanges(context, reads, deadline);
  } catch (thrown) {
    const { code, refs } = MayflyError.from(thrown);
    const lost = new Set(reads.filter(({ ref }) => code === "LOST" && refs.includes(ref.toString())));
    if (lost.size === 0) throw thrown;
    for (const read of lost) await one(read, deadline);
    const others = reads.filter((read) => !lost.has(read));
    await readLocated(context, others, deadline, one);
  }
}
