/**
 * Bytes of any length that say themselves what they should be, also in part: whoever reads a whole value or a range of at
 * least 8 KiB knows from the header of a block which value it is, and can check every byte.
 *
 * A value is made of blocks of 4 KiB, the last one shorter. Little-endian:
 *
 *     0  number     u32   of the value; no two values of a run have the same
 *     4  keyHash    u32   FNV-1a of the key
 *     8  sizeBytes  u32   of the whole value
 *    12  block      u32   position in the value
 *    16  filling          words of a generator seeded by all that stands before
 */

export const blockBytes = 4096;
const headerBytes = 16;
export const valueBytesMin = headerBytes;

export interface ValueName {
  readonly key: string;
  readonly number: number;
  readonly sizeBytes: number;
}

export function makeBytes({ key, number, sizeBytes }: ValueName): Uint8Array {
  const padded = new Uint32Array(Math.ceil(sizeBytes / 4));
  const keyHash = hashOf(key);
  for (let block = 0; block * blockBytes < sizeBytes; block++) {
    fillBlock(padded, block, number, keyHash, sizeBytes);
  }
  return new Uint8Array(padded.buffer, 0, sizeBytes);
}

export type Checked =
  | { readonly right: true; readonly number: number; readonly sizeBytes: number }
  | { readonly right: false; readonly what: string };

/**
 * Which value of `key` these bytes are, all of them checked.
 * @param offset of the bytes in the value; 0 with all bytes of it unless `isRange`
 */
export function checkBytes(key: string, bytes: Uint8Array, offset = 0, isRange = false): Checked {
  const at = (blockBytes - (offset % blockBytes)) % blockBytes;
  if (bytes.length < at + headerBytes) return wrong(`${bytes.length} bytes at ${offset} hold no header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const number = view.getUint32(at, true);
  const sizeBytes = view.getUint32(at + 8, true);
  if (view.getUint32(at + 4, true) !== hashOf(key)) return wrong(`those of another key, at ${offset + at}`);
  const end = offset + bytes.length;
  if (end > sizeBytes || (!isRange && (offset > 0 || end !== sizeBytes))) {
    return wrong(`value ${number} has ${sizeBytes} bytes; read were ${offset} to ${end}`);
  }
  const difference = firstDifference(bytes, offset, number, hashOf(key), sizeBytes);
  return difference === undefined
    ? { right: true, number, sizeBytes }
    : wrong(`value ${number} of ${sizeBytes} bytes differs at ${difference}`);
}

function wrong(what: string): Checked {
  return { right: false, what };
}

const blockWords = blockBytes / 4;

function firstDifference(
  bytes: Uint8Array,
  offset: number,
  number: number,
  keyHash: number,
  sizeBytes: number,
): number | undefined {
  const block = new Uint32Array(blockWords);
  const blockAsBytes = Buffer.from(block.buffer);
  for (let start = offset - (offset % blockBytes); start < offset + bytes.length; start += blockBytes) {
    fillBlock(block, start / blockBytes, number, keyHash, sizeBytes, 0);
    const from = Math.max(start, offset);
    const to = Math.min(start + blockBytes, offset + bytes.length, sizeBytes);
    const wanted = blockAsBytes.subarray(from - start, to - start);
    const found = bytes.subarray(from - offset, to - offset);
    if (wanted.equals(found)) continue;
    return from + wanted.findIndex((byte, at) => byte !== found[at]);
  }
  return undefined;
}

/** @param firstWord where the block begins in `words`; where it lies in the value by default */
function fillBlock(
  words: Uint32Array,
  block: number,
  number: number,
  keyHash: number,
  sizeBytes: number,
  firstWord: number = block * blockWords,
): void {
  const header = [number, keyHash, sizeBytes, block];
  let state = header.reduce((hash, word) => mixed(Math.imul(hash ^ word, 0x9e3779b1)), 0x811c9dc5) | 1;
  const end = Math.min(firstWord + blockWords, words.length);
  for (let at = firstWord; at < end; at++) {
    if (at < firstWord + header.length) words[at] = header[at - firstWord]!;
    else {
      // xorshift32: never 0, so every byte of a hole that reads as zeroes is found.
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[at] = state;
    }
  }
}

function mixed(word: number): number {
  const once = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  return Math.imul(once ^ (once >>> 13), 0xc2b2ae35) >>> 0;
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
