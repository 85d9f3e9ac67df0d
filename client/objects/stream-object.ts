/** An object as a stream of pieces: the next one is read while the last one is used. */
import type { Ref } from "../../src/wire/ref.ts";
import type { ClientContext } from "../context.ts";
import type { Deadline } from "../transport/deadline.ts";
import { readObject } from "./read-object.ts";

const pieceBytesMax = 8 * 1024 * 1024;

/** @param deadlineOf begins the time for one piece */
export async function* streamObject(
  context: ClientContext,
  ref: Ref,
  { offset, length, chunkBytes }: { offset: number; length: number; chunkBytes: number },
  deadlineOf: () => Deadline,
): AsyncGenerator<Uint8Array> {
  const pieceBytes = Math.max(1, Math.min(chunkBytes, pieceBytesMax));
  const end = offset + length;
  const piece = (start: number): Promise<Uint8Array> => {
    const range = { start, end: Math.min(start + pieceBytes, end) };
    const reading = readObject(context, ref, range, undefined, deadlineOf());
    reading.catch(() => undefined);
    return reading;
  };
  let next = length > 0 ? piece(offset) : undefined;
  for (let at = offset; next !== undefined; ) {
    const bytes: Uint8Array = await next;
    at += bytes.length;
    next = at < end ? piece(at) : undefined;
    yield bytes;
  }
}
