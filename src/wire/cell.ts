/**
 * Cells on the wire: kinds, and the effects that a primary sends to its backups.
 *
 * A batch is a count (varint) and so many effects. Effect, integers as LEB128 varints unless noted:
 *
 *     group u16, generation, sequence, job,
 *     session 8 bytes, session sequence, session floor   (sequence 0: not made by a session)
 *     kind u8, expiry high and low 32 bits (0: never), key length, key, value length, value
 */
import { MayflyError } from "../errors.ts";
import { type Group, type JobNumber, jobNumber } from "../ids.ts";
import { ByteReader, ByteWriter, MalformedBytes } from "../placement/byte-cursor.ts";
import { groupCount } from "../placement/groups.ts";
import { collectionKinds } from "./collection.ts";
import { keyBytesMax, refBytesMax } from "./ref.ts";
import type { Version } from "./version.ts";

/**
 * What a cell holds: `bytes` inline, `ref` an object, `counter` a number as decimal text, a list, a hash, a set, `durable` bytes
 * that lie in the object store too (durable-value.ts); `deleted` and `expired` are what is left of one.
 */
export const cellKinds = [
  ...(["bytes", "ref", "deleted", "expired", "counter"] as const),
  ...collectionKinds,
  "durable",
] as const;
export type CellKind = (typeof cellKinds)[number];

/**
 * What an effect does: its key holds its value from now on, or, if that is a list, a hash or a set, the value says what
 * changes in it (collection.ts); or `abort` marks an object id that must never be committed; `relocated` gives a ref another
 * location hint, or makes bytes `durable`, and leaves their version; `activate` begins a generation of the row, its value is the version before it (two
 * varints); `snapshot` is a piece of all that the group holds at its version, number and count of pieces in place of session
 * sequence and floor. The last two are of no job (0), and a snapshot is not logged.
 */
export const effectKinds = [...cellKinds, "abort", "relocated", "activate", "snapshot"] as const;
export type EffectKind = (typeof effectKinds)[number];

/** Whether a cell of this kind has its value with it. */
export function hasValue(kind: EffectKind): boolean {
  return kind === "bytes" || kind === "ref" || kind === "counter" || kind === "durable";
}

/** What is logged but is not about a key of a job. */
export const noJob = 0 as JobNumber;
/** Of effects that no session asked for. */
export const noSession: string = "\0".repeat(8);

export interface Effect {
  readonly group: Group;
  readonly version: Version;
  readonly job: JobNumber;
  /** 8 bytes as a latin-1 string. */
  readonly session: string;
  readonly sessionSequence: number;
  readonly sessionFloor: number;
  readonly kind: EffectKind;
  /** Wall-clock milliseconds since 1970; 0 for never. */
  readonly expiresAtMs: number;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export const effectsPerBatchMax = 4096;

/** All of an effect but its key and its value, at most. */
const effectFieldsBytesMax = 64;

/** A copy: the effect's key and value may change afterwards. */
export function encodeEffect(effect: Effect): Uint8Array {
  const { key, value, version } = effect;
  return new ByteWriter(effectFieldsBytesMax + key.length + value.length)
    .u16(effect.group)
    .varint(version.generation)
    .varint(version.sequence)
    .varint(effect.job)
    .bytes(Buffer.from(effect.session, "latin1"))
    .varint(effect.sessionSequence)
    .varint(effect.sessionFloor)
    .u8(effectKinds.indexOf(effect.kind))
    .varint(Math.floor(effect.expiresAtMs / 2 ** 32))
    .varint(effect.expiresAtMs % 2 ** 32)
    .varint(key.length)
    .bytes(key)
    .varint(value.length)
    .bytes(value)
    .finish();
}

/** A batch, as the pieces that make it up in order. @param encoded at most 4,096 effects */
export function effectsBatch(encoded: readonly Uint8Array[]): Uint8Array[] {
  return [new ByteWriter(8).varint(encoded.length).finish(), ...encoded];
}

/** Keys and values are views of `bytes`. @throws MayflyError PROTOCOL */
export function decodeEffects(bytes: Uint8Array): Effect[] {
  const reader = new ByteReader(bytes);
  try {
    const effects = Array.from({ length: reader.varint(effectsPerBatchMax, "effect count") }, () =>
      readEffect(reader),
    );
    reader.end();
    return effects;
  } catch (error) {
    if (!(error instanceof MalformedBytes || error instanceof RangeError)) throw error;
    throw new MayflyError("PROTOCOL", `A batch of effects is malformed: ${error.message}`);
  }
}

function readEffect(reader: ByteReader): Effect {
  const word = 2 ** 32 - 1;
  const group = reader.u16("group");
  if (group >= groupCount) throw new MalformedBytes(`group ${group}`);
  const version = {
    generation: reader.varint(word, "generation"),
    sequence: reader.varint(word, "sequence"),
  };
  const jobValue = reader.varint(word, "job");
  const session = latin1Of(reader.take(8, "session"));
  const sessionSequence = reader.varint(word, "session sequence");
  const sessionFloor = reader.varint(word, "session floor");
  const kind = effectKinds[reader.u8("kind")];
  if (kind === undefined) throw new MalformedBytes("an unknown kind of effect");
  const job = kind === "activate" || kind === "snapshot" ? noJob : jobNumber(jobValue);
  const expiresAtMs = reader.varint(2 ** 20, "expiry") * 2 ** 32 + reader.varint(word, "expiry");
  const key = reader.take(reader.varint(keyBytesMax, "key length"), "key");
  const value = reader.take(reader.varint(refBytesMax, "value length"), "value");
  return {
    group: group as Group,
    version,
    job,
    session,
    sessionSequence,
    sessionFloor,
    kind,
    expiresAtMs,
    key,
    value,
  };
}

function latin1Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
