/**
 * Words of UTF-8 text that is cut anywhere: pure. A token is what lies between ASCII white space, and belongs to the range of
 * bytes in which it begins. No byte of a longer UTF-8 character is white space, so that no cut goes through one.
 */
import { MayflyError } from "mayfly";

/** Letters, digits and marks, with apostrophes between them. */
const word = /[\p{L}\p{M}\p{N}]+(?:['\u2019][\p{L}\p{M}\p{N}]+)*/gu;

export function wordsOf(text: string): string[] {
  return (text.match(word) ?? []).map((found) => found.toLowerCase().replaceAll("\u2019", "'"));
}

export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface FileRange extends ByteRange {
  readonly path: string;
}

/** Up to `length` bytes from `position` on; fewer, and none, only at the end. */
export type ReadAt = (position: number, length: number) => Promise<Uint8Array>;

/** A token that is longer is no text. */
const tokenBytesMax = 2 ** 20;
const chunkBytesDefault = 2 ** 20;
const lookBytes = 4096;

/**
 * The tokens that begin within the range, in pieces of whole tokens. Reads on behind the range to where its last token ends.
 * @throws MayflyError INPUT_INVALID when there is no white space for a MiB, or the file became shorter
 */
export async function* textOf(
  readAt: ReadAt,
  { start, end }: ByteRange,
  chunkBytes: number = chunkBytesDefault,
): AsyncGenerator<string> {
  const [from, to] = [await borderAt(readAt, start), await borderAt(readAt, end)];
  let held: Uint8Array = new Uint8Array(0);
  for (let at = from; at < to; ) {
    const chunk = await readAt(at, Math.min(chunkBytes, to - at));
    if (chunk.length === 0) throw new MayflyError("INPUT_INVALID", `there is nothing at byte ${at} any more`);
    at += chunk.length;
    const bytes = Buffer.concat([held, chunk]);
    const cut = at === to ? bytes.length : bytes.findLastIndex(isSpace) + 1;
    if (cut > 0) yield bytes.toString("utf8", 0, cut);
    held = bytes.subarray(cut);
    checkToken(held.length, at);
  }
}

/** The end of the last token that begins before `position`: the first white space from the byte before it on, or the end. */
async function borderAt(readAt: ReadAt, position: number): Promise<number> {
  if (position === 0) return 0;
  for (let at = position - 1; ; ) {
    const bytes = await readAt(at, lookBytes);
    const space = bytes.findIndex(isSpace);
    if (bytes.length === 0 || space >= 0) return at + Math.max(0, space);
    at += bytes.length;
    checkToken(at - position, at);
  }
}

function checkToken(bytes: number, at: number): void {
  if (bytes <= tokenBytesMax) return;
  throw new MayflyError("INPUT_INVALID", `no white space in ${bytes} bytes before byte ${at}: is this text?`);
}

/** Tab, line feed, vertical tab, form feed, carriage return, space. */
function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

/** Cuts all files together into `maps` even shares; a small file is not cut, a large one belongs to several maps. */
export function shareOut(
  files: readonly { readonly path: string; readonly bytes: number }[],
  maps: number,
): FileRange[][] {
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const borderOf = (map: number): number => Math.floor((map * total) / maps);
  return Array.from({ length: maps }, (_, map) => {
    let offset = 0;
    return files.flatMap(({ path, bytes }) => {
      const start = Math.max(0, borderOf(map) - offset);
      const end = Math.min(bytes, borderOf(map + 1) - offset);
      offset += bytes;
      return start < end ? [{ path, start, end }] : [];
    });
  });
}
