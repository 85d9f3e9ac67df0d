/** Memory for what is read. */
import { MayflyError } from "../../src/errors.ts";
import { freeArrayBuffer } from "../../src/free-array-buffer.ts";

/** Smaller buffers share slabs of Node's. */
const slabShareMax = 4096;
/** From here on glibc maps each allocation on its own, at first (DEFAULT_MMAP_THRESHOLD_MIN). */
const mappedBytesMin = 128 * 1024;
/** The largest block that glibc learns from (DEFAULT_MMAP_THRESHOLD_MAX), less its header and a page. */
const learntBytes = 32 * 1024 * 1024 - 64 * 1024;

let reuses = false;

/**
 * The caller's memory, when it is large enough; else new memory, whose content is whatever was there.
 * @throws MayflyError INVALID_ARGUMENT when `into` is too small
 */
export function resultMemory(length: number, into: Uint8Array | undefined): Uint8Array {
  if (into === undefined) return newMemory(length);
  if (into.length >= length) return into.subarray(0, length);
  throw new MayflyError(
    "INVALID_ARGUMENT",
    `The buffer given as \`into\` has ${into.length} bytes and the result has ${length}; ask for a range or give a larger one.`,
  );
}

function newMemory(length: number): Uint8Array {
  if (length < slabShareMax) return Buffer.allocUnsafe(length);
  if (length >= mappedBytesMin && !reuses) reuseFreedMemory();
  return Buffer.allocUnsafeSlow(length);
}

/**
 * Large results would each be mapped from the machine and given back when collected, and the first touch of a page
 * costs more than receiving its bytes. When a mapped block is freed, glibc takes blocks of up to its size from its heap
 * from then on, and keeps twice as much of it (mallopt(3), M_MMAP_THRESHOLD): we free one as large as counts, untouched.
 */
function reuseFreedMemory(): void {
  reuses = true;
  const { buffer } = Buffer.allocUnsafeSlow(learntBytes);
  if (buffer instanceof ArrayBuffer) freeArrayBuffer(buffer);
}
