/**
 * Reading an object by its ref: by the hint first, with no lookup; when shards are gone the home key is asked what
 * became of it.
 */
import { MayflyError } from "../../src/errors.ts";
import { decodeRef, Ref } from "../../src/wire/ref.ts";
import { readCell } from "../cells.ts";
import type { ClientContext } from "../context.ts";
import type { Deadline } from "../transport/deadline.ts";
import { readRanges } from "./read-ranges.ts";
import { resultMemory } from "./result-memory.ts";

export interface ByteRange {
  /** First byte. */
  readonly start: number;
  /** Behind the last byte; cut to the size. */
  readonly end: number;
}

/** The range as offset and length within `sizeBytes`. @throws MayflyError INVALID_ARGUMENT */
export function resolveRange(
  range: ByteRange | undefined,
  sizeBytes: number,
): { offset: number; length: number } {
  if (range === undefined) return { offset: 0, length: sizeBytes };
  const { start, end } = range;
  if (
    !Number.isSafeInteger(start) ||
    !Number.isSafeInteger(end) ||
    start < 0 ||
    end < start ||
    start > sizeBytes
  ) {
    throw new MayflyError(
      "INVALID_ARGUMENT",
      `The range ${start}..${end} does not lie in the ${sizeBytes} bytes; give 0 <= start <= end.`,
    );
  }
  return { offset: start, length: Math.min(end, sizeBytes) - start };
}

/** The range of bytes that are at hand, in memory of the caller's. */
export function copyRange(
  all: Uint8Array,
  range: ByteRange | undefined,
  into: Uint8Array | undefined,
): Uint8Array {
  const { offset, length } = resolveRange(range, all.length);
  const bytes = resultMemory(length, into);
  bytes.set(all.subarray(offset, offset + length));
  return bytes;
}

export async function readObject(
  context: ClientContext,
  ref: Ref,
  range: ByteRange | undefined,
  into: Uint8Array | undefined,
  deadline: Deadline,
): Promise<Uint8Array> {
  const { offset, length } = resolveRange(range, ref.sizeBytes);
  const bytes = resultMemory(length, into);
  let current = (ref.stripes ?? ref.stored) ? ref : await whereIsIt(context, ref, deadline);
  let inStore = false;
  for (;;) {
    const { stripes, stored } = current;
    inStore ||= stripes === undefined;
    const reads = [{ ref: current, offset, length, into: bytes }];
    try {
      if (inStore) await (await import("./read-stored.ts")).readStored(context, reads, deadline);
      else await readRanges(context, reads, deadline);
      return bytes;
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      if (error.code !== "LOST") throw error;
      inStore = !inStore && stored !== undefined;
      if (inStore) continue;
      const found = await whereIsIt(context, ref, deadline).catch((why: unknown) => {
        // Nobody is left who could know of another place.
        throw MayflyError.from(why).code === "LOST" ? error : why;
      });
      if (isSamePlace(found, current)) throw error;
      current = found;
    }
  }
}

/** What one of them does not lead to the other does not either. */
export function isSamePlace(a: Ref, b: Ref): boolean {
  return JSON.stringify([a.stripes, a.stored]) === JSON.stringify([b.stripes, b.stored]);
}

/** The ref with its newest placement. @throws MayflyError FREED when its key holds something else now, or nothing */
export async function whereIsIt(context: ClientContext, ref: Ref, deadline: Deadline): Promise<Ref> {
  const cell = await readCell(context, ref.key, deadline);
  const home = cell?.kind === "ref" ? decodeRef(cell.value) : undefined;
  if (home?.object === ref.object) return new Ref({ ...home, version: cell?.version });
  const key = JSON.stringify(Buffer.from(ref.key).toString());
  throw new MayflyError(
    "FREED",
    cell === undefined
      ? `The object of this ref was freed: key ${key} was deleted or never committed.`
      : `The object of this ref was freed: key ${key} was overwritten (now version ${cell.version}).`,
  );
}
