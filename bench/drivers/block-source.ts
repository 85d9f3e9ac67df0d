/**
 * What maps shuffle: the same bytes in all processes, which cost nothing to make while it is measured. All outputs are slices of one
 * pseudo-random text that begin at different places.
 */
import { createCipheriv } from "node:crypto";

export interface BlockSource {
  /** The output of a map: blocks of the same length in the order of their partitions. */
  output(map: number): Buffer;
  block(map: number, partition: number): Buffer;
}

const strideBytes = 64;

export function createBlockSource(maps: number, partitions: number, blockBytes: number): BlockSource {
  const outputBytes = partitions * blockBytes;
  const stream = createCipheriv("aes-128-ctr", Buffer.alloc(16, "shuffle"), Buffer.alloc(16));
  const text = stream.update(Buffer.alloc(outputBytes + maps * strideBytes));
  const output = (map: number): Buffer => text.subarray(map * strideBytes, map * strideBytes + outputBytes);
  return {
    output,
    block: (map, partition) => output(map).subarray(partition * blockBytes, (partition + 1) * blockBytes),
  };
}
