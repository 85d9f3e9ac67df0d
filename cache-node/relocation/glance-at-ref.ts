/** What is looked at of every ref when nodes go, and when one is committed: a part of its layout (src/wire/ref.ts), read without making a Ref. */
import type { NodeId, ObjectId } from "../../src/ids.ts";
import type { Code } from "../../src/placement/types.ts";
import { asBuffer } from "../../src/wire/as-buffer.ts";

const flagsAt = 1;
const hintFlag = 1;
const storedFlag = 4;
const objectAt = 2;
const objectBytes = 16;
const codeAt = 18;
const sizeAt = 20;

/** The object of an encoded ref. */
export function objectOfRef(value: Uint8Array): ObjectId {
  return asBuffer(value).toString("latin1", objectAt, objectAt + objectBytes) as ObjectId;
}

/** Whether the hint of an encoded ref names nodes of `all` only. The bytes are those of a ref that was checked before. */
export function namesOnly(value: Uint8Array, all: ReadonlySet<NodeId>): boolean {
  if ((value[flagsAt]! & hintFlag) === 0) return true;
  const cursor = { value, at: sizeAt };
  const varint = (): number => nextVarint(cursor);
  // Size and version have two numbers each.
  for (let skipped = 0; skipped < 4; skipped++) varint();
  const keyBytes = varint();
  cursor.at += keyBytes;
  for (let left = varint(); left > 0; left--) if (!all.has(varint() as NodeId)) return false;
  return true;
}

/** What of the object lies where, and how large it is. The bytes are those of a ref that was checked before. */
export function extentOf(value: Uint8Array): {
  readonly inMemory: boolean;
  readonly inStore: boolean;
  readonly sizeBytes: number;
  readonly code: Code;
} {
  const flags = value[flagsAt]!;
  const cursor = { value, at: sizeAt };
  return {
    ...{ inMemory: (flags & hintFlag) !== 0, inStore: (flags & storedFlag) !== 0 },
    code: { d: value[codeAt]!, p: value[codeAt + 1]! },
    sizeBytes: nextVarint(cursor) * 2 ** 32 + nextVarint(cursor),
  };
}

function nextVarint(cursor: { readonly value: Uint8Array; at: number }): number {
  let number = 0;
  for (let place = 1; ; place *= 128) {
    const byte = cursor.value[cursor.at++]!;
    number += (byte & 0x7f) * place;
    if (!(byte >= 0x80)) return number;
  }
}
