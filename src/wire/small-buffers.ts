/**
 * Memory for the many small values that replies bring: pieces of shared slabs, since an ArrayBuffer of its own costs a
 * value more than its bytes. Whoever keeps one piece for long keeps its slab: at most 64 KiB.
 */
const slabBytes = 64 * 1024;
const alignBytes = 8;

let slab = Buffer.alloc(0);
let used = 0;

/** From this length on a value gets memory of its own. */
export const smallBytesMax = 4096;

/** `length` bytes, below `smallBytesMax`, with stale content. Nobody else has them. */
export function smallBuffer(length: number): Buffer {
  if (used + length > slab.length) {
    slab = Buffer.allocUnsafeSlow(slabBytes);
    used = 0;
  }
  const piece = slab.subarray(used, used + length);
  used = (used + length + alignBytes - 1) & -alignBytes;
  return piece;
}
