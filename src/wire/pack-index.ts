/**
 * What lies behind the objects of a pack in the object store, so that the pack can be checked without the refs that name its parts. Readers
 * of objects never see it. Integers as LEB128 varints unless said otherwise:
 *
 *     count
 *     for each object: id 16 bytes, d u8, p u8, high and low 32 bits of its size
 *     length of all of that   u32, little-endian
 *     magic                   "mfpk"
 *     version                 u8 = 1
 *
 * The objects lie framed (stored-layout.ts), one behind the other from the first byte of the pack, in this order.
 */
import { MayflyError } from "../errors.ts";
import { type ObjectId, objectId, objectIdBytes } from "../ids.ts";
import { ByteReader, ByteWriter } from "../placement/byte-cursor.ts";
import { checkCode } from "../placement/code.ts";
import type { Code } from "../placement/types.ts";
import { framedBytes } from "./stored-layout.ts";
import { objectBytesMax } from "./stripe-layout.ts";

export interface PackedObject {
  readonly object: ObjectId;
  readonly code: Code;
  readonly sizeBytes: number;
}

const magic = "mfpk";
const version = 1;
/** Length, magic and version: the last bytes of a pack. */
export const packTailBytes = 9;
const objectsMax = 100_000;
/** Of an index: more than so many objects have. */
export const packIndexBytesMax: number = 32 * objectsMax;

export function encodePackIndex(objects: readonly PackedObject[]): Uint8Array {
  if (objects.length > objectsMax) throw new RangeError(`${objects.length} objects in a pack`);
  const writer = new ByteWriter();
  writer.varint(objects.length);
  for (const { object, code, sizeBytes } of objects) {
    writer.bytes(objectIdBytes(object)).u8(code.d).u8(code.p);
    writer.varint(Math.floor(sizeBytes / 2 ** 32)).varint(sizeBytes % 2 ** 32);
  }
  const body = writer.finish();
  const tail = Buffer.alloc(packTailBytes);
  tail.writeUInt32LE(body.length, 0);
  tail.write(magic, 4, "latin1");
  tail[packTailBytes - 1] = version;
  return Buffer.concat([body, tail]);
}

/** Bytes of the index before the tail. @param tail the last `packTailBytes` of the pack. @throws MayflyError DAMAGED */
export function packIndexBytes(tail: Uint8Array): number {
  const bytes = Buffer.from(tail);
  const isTail = bytes.length === packTailBytes && bytes.toString("latin1", 4, 8) === magic;
  if (!isTail || bytes[packTailBytes - 1] !== version) throw damaged("it does not end as packs do");
  const length = bytes.readUInt32LE(0);
  if (length > packIndexBytesMax) throw damaged(`an index of ${length} bytes`);
  return length;
}

/** @param index without the tail. @throws MayflyError DAMAGED */
export function decodePackIndex(index: Uint8Array): PackedObject[] {
  try {
    const reader = new ByteReader(index);
    const count = reader.varint(objectsMax, "object count");
    const objects = Array.from({ length: count }, (): PackedObject => {
      const object = objectId(Uint8Array.from(reader.take(16, "object id")));
      const code = checkCode({ d: reader.u8("d"), p: reader.u8("p") });
      const sizeBytes = reader.varint(2 ** 21 - 1, "size") * 2 ** 32 + reader.varint(2 ** 32 - 1, "size");
      if (sizeBytes > objectBytesMax(code)) throw damaged(`an object of ${sizeBytes} bytes`);
      return { object, code, sizeBytes };
    });
    reader.end();
    return objects;
  } catch (thrown) {
    const error = MayflyError.from(thrown);
    throw error.code === "DAMAGED" ? error : damaged(error.message);
  }
}

/** Where each object begins and ends. */
export function packExtents(
  objects: readonly PackedObject[],
): { readonly object: PackedObject; readonly start: number; readonly end: number }[] {
  let end = 0;
  return objects.map((object) => {
    const start = end;
    end += framedBytes(object.sizeBytes, object.code);
    return { object, start, end };
  });
}

function damaged(why: string): MayflyError {
  return new MayflyError("DAMAGED", `This is no pack: ${why}.`);
}
