/** Branded ids. A node id is one process's life and a job number is never used again, so both fit 32 bits. */

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** 1 .. 2^32 - 1, given by the controller at registration; a restarted process gets a new one. */
export type NodeId = Branded<number, "NodeId">;
/** 1 .. 2^32 - 1, given by the controller; never reused. */
export type JobNumber = Branded<number, "JobNumber">;
/**
 * 16 bytes as a latin-1 string of 16 characters: cheap as a map key, never printed (see `objectIdHex`). The first two
 * are the group of the object's home key, big-endian, so that who holds nothing of the object but a shard knows whose
 * primary decides about it; the other 14 are random.
 */
export type ObjectId = Branded<string, "ObjectId">;
/** 0 .. 1023. */
export type Group = Branded<number, "Group">;

const isId = (value: number): boolean => Number.isInteger(value) && value >= 1 && value < 2 ** 32;

export function nodeId(value: number): NodeId {
  if (!isId(value)) throw new RangeError(`node id ${value} is not in 1 .. 2^32-1`);
  return value as NodeId;
}

export function jobNumber(value: number): JobNumber {
  if (!isId(value)) throw new RangeError(`job number ${value} is not in 1 .. 2^32-1`);
  return value as JobNumber;
}

export function objectId(bytes: Uint8Array): ObjectId {
  if (bytes.length !== 16) throw new RangeError(`an object id has 16 bytes, not ${bytes.length}`);
  return Buffer.from(bytes.buffer, bytes.byteOffset, 16).toString("latin1") as ObjectId;
}

/** A new id from 16 random bytes, which it keeps for itself. */
export function newObjectId(group: Group, random: Uint8Array): ObjectId {
  random[0] = group >> 8;
  random[1] = group;
  return objectId(random);
}

/** The group of the object's home key; undefined for an id that was not made by `newObjectId`. */
export function groupOfObject(id: ObjectId): Group | undefined {
  const group = id.charCodeAt(0) * 256 + id.charCodeAt(1);
  return group < 1024 ? (group as Group) : undefined;
}

export function objectIdBytes(id: ObjectId): Buffer {
  return Buffer.from(id, "latin1");
}

export function objectIdHex(id: ObjectId): string {
  return objectIdBytes(id).toString("hex");
}
