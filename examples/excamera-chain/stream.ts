/**
 * Coded frames as bytes. A chunk is its frames, each behind its length (u32, little-endian). A stream is 12 bytes and the chunks:
 *
 *     0   magic    "MFCH"
 *     4   width    u16
 *     6   height   u16
 *     8   step     u8
 *     9            3 bytes of zero
 */
import { MayflyError } from "mayfly";
import { type CodedFrame, type Coding, checkCoding, decodeFrame } from "./codec.ts";

const magic = Buffer.from("MFCH");
const headBytes = 12;
const lengthBytes = 4;

export function packChunk(coded: readonly Pick<CodedFrame, "bytes">[]): Buffer {
  return Buffer.concat(
    coded.flatMap(({ bytes }) => {
      const length = Buffer.alloc(lengthBytes);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}

export function joinStream({ width, height, step }: Coding, chunks: readonly Uint8Array[]): Buffer {
  const head = Buffer.alloc(headBytes);
  magic.copy(head);
  head.writeUInt16LE(width, 4);
  head.writeUInt16LE(height, 6);
  head.writeUInt8(step, 8);
  return Buffer.concat([head, ...chunks]);
}

/** The frames of a stream, one after the other. @throws MayflyError DAMAGED, INVALID_ARGUMENT for a shape that cannot be */
export function* decodeStream(stream: Uint8Array): Generator<Uint8Array> {
  const bytes = Buffer.from(stream.buffer, stream.byteOffset, stream.length);
  if (bytes.length < headBytes || !bytes.subarray(0, magic.length).equals(magic)) throw damaged("no head");
  const coding = { width: bytes.readUInt16LE(4), height: bytes.readUInt16LE(6), step: bytes.readUInt8(8) };
  checkCoding(coding);
  let state: Uint8Array | undefined;
  for (let at = headBytes; at < bytes.length; ) {
    if (at + lengthBytes > bytes.length) throw damaged("it ends within a frame");
    const end = at + lengthBytes + bytes.readUInt32LE(at);
    if (end > bytes.length) throw damaged("it ends within a frame");
    state = decodeFrame(coding, bytes.subarray(at + lengthBytes, end), state);
    yield state;
    at = end;
  }
}

function damaged(why: string): MayflyError {
  return new MayflyError("DAMAGED", `this is no stream of coded frames: ${why}`);
}
