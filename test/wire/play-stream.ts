/** Plays a byte stream into a decoder the way sockets do: cut anywhere, through memory that is used again. */
import fc from "fast-check";

export interface StreamDecoder {
  feed(chunk: Uint8Array): void;
  directTarget(): Uint8Array | undefined;
  directReceived(count: number): void;
}

/** One read of the socket: at most `bytes`, straight into the target if `direct` and the decoder offers one. */
export interface Read {
  readonly bytes: number;
  readonly direct: boolean;
}

/** What was read is scribbled over after each feed, so that a decoder that keeps views is found out. */
export function playStream(decoder: StreamDecoder, stream: Uint8Array, reads: readonly Read[]): void {
  const scratch = Buffer.alloc(stream.length);
  let at = 0;
  for (let i = 0; at < stream.length; i++) {
    const read = reads[i] ?? { bytes: stream.length, direct: false };
    const target = read.direct ? decoder.directTarget() : undefined;
    if (target !== undefined) {
      const count = Math.min(read.bytes, target.length, stream.length - at);
      target.set(stream.subarray(at, at + count));
      decoder.directReceived(count);
      at += count;
    } else {
      const count = Math.min(read.bytes, stream.length - at);
      scratch.set(stream.subarray(at, at + count));
      decoder.feed(scratch.subarray(0, count));
      scratch.fill(0xee);
      at += count;
    }
  }
}

/** Every way to cut a stream once, then every fixed size of reads up to `bytesMax`, each fed and direct. */
export function systematicReads(length: number, bytesMax: number): Read[][] {
  const all: Read[][] = [];
  for (const direct of [false, true]) {
    for (let cut = 0; cut <= length; cut++) all.push([{ bytes: Math.max(cut, 1), direct }]);
    for (let bytes = 1; bytes <= bytesMax; bytes++) {
      all.push(Array.from({ length: Math.ceil(length / bytes) * 2 }, () => ({ bytes, direct })));
    }
  }
  return all;
}

export const arbitraryReads = (bytesMax: number): fc.Arbitrary<Read[]> =>
  fc.array(
    fc.record({
      bytes: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: bytesMax })),
      direct: fc.boolean(),
    }),
    { maxLength: 200 },
  );
