/** What is looked at of every ref when nodes go: a part of its layout (src/wire/ref.ts), read without making a Ref. */
import type { NodeId, ObjectId } from "../../src/ids.ts";
import { asBuffer } from "../../src/wire/as-buffer.ts";

const flagsAt = 1;
const hintFlag = 1;
const objectAt = 2;
const objectBytes = 16;
const sizeAt = 20;

/** The object of an encoded ref. */
export function objectOfRef(value: Uint8Array): ObjectId {
  return asBuffer(value).toString("latin1", objectAt, objectAt + objectBytes) as ObjectId;
}

/** Whether the hint of an encoded ref names nodes of `all` only. The bytes are those of a ref that was checked before. */
export function namesOnly(value: Uint8Array, all: ReadonlySet<NodeId>): boolean {
  if ((value[flagsAt]! & hintFlag) === 0) return true;
  let at = sizeAt;
  const varint = (): number => {
    let number = 0;
    for (let place = 1; ; place *= 128) {
      const byte = value[at++]!;
      number += (byte & 0x7f) * place;
      if (!(byte >= 0x80)) return number;
    }
  };
  // Size and version have two numbers each.
  for (let skipped = 0; skipped < 4; skipped++) varint();
  const keyBytes = varint();
  at += keyBytes;
  for (let left = varint(); left > 0; left--) if (!all.has(varint() as NodeId)) return false;
  return true;
}
