/** CRC-32 as S3 wants it: with it the server checks what comes in, and the reader what comes out. */
import { crc32 } from "node:zlib";

export interface RunningChecksum {
  add(piece: Uint8Array): void;
  /** Base64 of the big-endian sum, as in `x-amz-checksum-crc32`. */
  value(): string;
}

export function runningChecksum(): RunningChecksum {
  let sum = 0;
  return {
    add(piece) {
      sum = crc32(piece, sum);
    },
    value() {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(sum >>> 0);
      return bytes.toString("base64");
    },
  };
}

export function checksumOf(pieces: readonly Uint8Array[]): string {
  const checksum = runningChecksum();
  for (const piece of pieces) checksum.add(piece);
  return checksum.value();
}

/** What the store says that the whole object's sum is; undefined for one that was written with another sum, or with sums of its parts. */
export function wholeChecksum(answer: {
  readonly ChecksumCRC32?: string | undefined;
  readonly ChecksumType?: string | undefined;
}): string | undefined {
  const { ChecksumCRC32: sum, ChecksumType: type } = answer;
  return sum === undefined || sum.includes("-") || type === "COMPOSITE" ? undefined : sum;
}
