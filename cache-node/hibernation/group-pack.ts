/**
 * What one primary holds when its fleet goes to sleep, as one object of the object store. Integers are little-endian:
 *
 *     0  the records of the groups, one group after another; see replication/snapshot.ts
 *        index  for each group, in the same order:
 *               u16  group
 *               u32  generation, u32 sequence: of the newest effect
 *               u32  length of its records
 *               16 bytes  begin of the SHA-256 of them
 *        u16    how many groups
 *        16 bytes  begin of the SHA-256 of the index
 *        magic  8 bytes "MFSLEEP1"
 *
 * The index comes last, so that nobody has to hold all of it before the first byte is sent.
 */
import { createHash } from "node:crypto";
import { MayflyError } from "../../src/errors.ts";
import type { Group } from "../../src/ids.ts";
import { groupCount } from "../../src/placement/groups.ts";
import type { Version } from "../../src/wire/version.ts";

/** Where a group lies in its pack. */
export interface PackedGroup {
  readonly group: Group;
  readonly version: Version;
  readonly offset: number;
  readonly length: number;
  readonly sum: Uint8Array;
}

const magic = Buffer.from("MFSLEEP1");
const sumBytes = 16;
const entryBytes = 2 + 4 + 4 + 4 + sumBytes;
const tailBytes = 2 + sumBytes + magic.length;
const groupBytesMax = 2 ** 32 - 1;
/** No index is longer. */
export const packIndexBytesMax: number = groupCount * entryBytes + tailBytes;

/** The pieces of a pack, made as they are asked for. @throws MayflyError TOO_LARGE for a group of more than 4 GiB */
export function* packPieces(
  groups: Iterable<{ readonly group: Group; readonly version: Version; readonly bytes: Uint8Array }>,
): Generator<Uint8Array> {
  const entries: Buffer[] = [];
  for (const { group, version, bytes } of groups) {
    if (bytes.length > groupBytesMax) {
      const message = `Group ${group} holds ${bytes.length} bytes; a pack has up to ${groupBytesMax} of each.`;
      throw new MayflyError("TOO_LARGE", message);
    }
    const entry = Buffer.alloc(entryBytes);
    entry.writeUInt16LE(group, 0);
    entry.writeUInt32LE(version.generation, 2);
    entry.writeUInt32LE(version.sequence, 6);
    entry.writeUInt32LE(bytes.length, 10);
    entry.set(sumOf(bytes), 14);
    entries.push(entry);
    if (bytes.length > 0) yield bytes;
  }
  const index = Buffer.concat(entries);
  const count = Buffer.alloc(2);
  count.writeUInt16LE(entries.length);
  yield Buffer.concat([index, count, sumOf(index), magic]);
}

/**
 * The index of a pack of `packBytes`.
 *
 * @param end its last bytes, `packIndexBytesMax` or all of them
 * @throws MayflyError DAMAGED
 */
export function readPackIndex(end: Uint8Array, packBytes: number): PackedGroup[] {
  const bytes = Buffer.from(end.buffer, end.byteOffset, end.length);
  const tailAt = bytes.length - tailBytes;
  if (tailAt < 0 || !bytes.subarray(tailAt + 2 + sumBytes).equals(magic)) throw damaged("it has no end");
  const count = bytes.readUInt16LE(tailAt);
  const at = tailAt - count * entryBytes;
  if (count > groupCount || at < 0) throw damaged(`an index of ${count} groups`);
  const index = bytes.subarray(at, tailAt);
  if (!sumOf(index).equals(bytes.subarray(tailAt + 2, tailAt + 2 + sumBytes))) {
    throw damaged("the checksum of its index does not match");
  }
  let offset = 0;
  const groups = Array.from({ length: count }, (_, i): PackedGroup => {
    const entry = index.subarray(i * entryBytes, (i + 1) * entryBytes);
    const group = entry.readUInt16LE(0);
    if (group >= groupCount) throw damaged(`group ${group}`);
    const version = { generation: entry.readUInt32LE(2), sequence: entry.readUInt32LE(6) };
    const length = entry.readUInt32LE(10);
    offset += length;
    return { group: group as Group, version, offset: offset - length, length, sum: entry.subarray(14) };
  });
  if (offset !== packBytes - count * entryBytes - tailBytes) throw damaged("its length does not match");
  return groups;
}

/** @throws MayflyError DAMAGED when these are not the bytes of the group */
export function checkPacked({ group, length, sum }: PackedGroup, bytes: Uint8Array): void {
  if (bytes.length === length && sumOf(bytes).equals(sum)) return;
  throw damaged(`the checksum of group ${group} does not match`);
}

function sumOf(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest().subarray(0, sumBytes);
}

function damaged(what: string): MayflyError {
  return new MayflyError("DAMAGED", `What a node wrote when the fleet went to sleep is damaged: ${what}.`);
}
