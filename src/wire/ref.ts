/**
 * A ref: everything needed to read an object without asking anybody. Binary, integers as LEB128 varints:
 *
 *     0  version     u8 = 1
 *     1  flags       u8   bit 0: the nodes follow; bit 1: inline, the bytes lie in the cell of the key; bit 2: the place in the
 *                         object store follows
 *     2  object id   16 bytes
 *    18  d, p        u8, u8
 *    20  size        high and low 32 bits
 *        version     generation, sequence of the cell that commits it; 0, 0 where it is not known
 *        key         length, bytes: the home key
 *        nodes       count, ids; then for each stripe d+p positions in that list
 *        store       layout u8 (0 plain, 1 framed), high and low 32 bits of the offset, length of the name, name in UTF-8
 *
 * The nodes and the place in the store together are the location hint. With both the bytes can be read at either.
 *
 * Checksums lie with the shards, one XXH3-64 for each frame of 16 KiB, seeded with (job, object, stripe, index):
 * the object id in the ref is what binds them to it.
 */
import { MayflyError } from "../errors.ts";
import { type NodeId, nodeId, type ObjectId, objectId, objectIdBytes } from "../ids.ts";
import { ByteReader, ByteWriter, MalformedBytes } from "../placement/byte-cursor.ts";
import { checkCode } from "../placement/code.ts";
import { nodesMax } from "../placement/map-codec.ts";
import type { Code } from "../placement/types.ts";
import { objectBytesMax, stripeCount } from "./stripe-layout.ts";
import { formatVersion, parseVersion } from "./version.ts";

export const keyBytesMax = 1024;
/** Of a name in the object store; S3's limit. */
export const storedNameBytesMax = 1024;
/** Of an encoded ref: 8,192 stripes of 4+4 with two-byte positions, and the rest. */
export const refBytesMax = 256 * 1024;
/** The text form of a ref leaves the hint out when it would get longer than this. */
const textHintBytesMax = 384;
const layoutVersion = 1;
const hintFlag = 1;
const inlineFlag = 2;
const storedFlag = 4;
const prefix = "mfr1.";
const noVersion = { generation: 0, sequence: 0 };

/** `plain`: the bytes and nothing else. `framed`: behind each frame its checksum, see stored-layout.ts. */
export const storedLayouts = ["plain", "framed"] as const;

/** Where the bytes of an object lie in the object store of the fleet. */
export interface StoredPlace {
  /** Of the object there: 1 to 1,024 bytes of UTF-8. */
  readonly name: string;
  /** First byte there. */
  readonly offset: number;
  readonly layout: (typeof storedLayouts)[number];
}

export interface RefFields {
  readonly object: ObjectId;
  readonly key: Uint8Array;
  readonly sizeBytes: number;
  readonly code: Code;
  /** The nodes of each stripe, `d + p` each; undefined when the bytes are on no nodes, or the ref carries no hint. */
  readonly stripes: readonly (readonly NodeId[])[] | undefined;
  /** Where the bytes lie in the object store, if they do. */
  readonly stored?: StoredPlace | undefined;
  /** The bytes lie in the cell itself; the object id means nothing. */
  readonly inline?: boolean;
  /** Of the cell when the ref was made; undefined where that is not known. */
  readonly version?: string | undefined;
}

export const inlineObject = objectId(new Uint8Array(16));

export class Ref implements RefFields {
  readonly object: ObjectId;
  readonly key: Uint8Array;
  readonly sizeBytes: number;
  readonly code: Code;
  readonly stripes: readonly (readonly NodeId[])[] | undefined;
  readonly stored: StoredPlace | undefined;
  readonly inline: boolean;
  /** The version that `put` made; for `ifVersion`. */
  readonly version: string | undefined;

  /** Also of another copy of this class: the SDK is one file, and a program may hold several. */
  static [Symbol.hasInstance](value: unknown): value is Ref {
    return value instanceof Object && "stripes" in value;
  }

  constructor(fields: RefFields) {
    this.object = fields.object;
    this.key = fields.key;
    this.sizeBytes = fields.sizeBytes;
    this.code = fields.code;
    this.stripes = fields.stripes;
    this.stored = fields.stored;
    this.inline = fields.inline ?? false;
    this.version = fields.version;
  }

  /** Short text, safe in JSON, URLs and environment variables. */
  toString(): string {
    const whole = encodeRef(this);
    const bytes = whole.length > textHintBytesMax ? encodeRef({ ...this, stripes: undefined }) : whole;
    return prefix + Buffer.from(bytes).toString("base64url");
  }

  toJSON(): string {
    return this.toString();
  }

  /** Reads what `toString` printed. @throws MayflyError INVALID_ARGUMENT */
  static parse(text: string): Ref {
    if (typeof text !== "string" || !text.startsWith(prefix) || text.length > refBytesMax * 2) {
      const shown = JSON.stringify(String(text).slice(0, 40));
      throw new MayflyError(
        "INVALID_ARGUMENT",
        `${shown} is not a ref: those begin with "${prefix}" and come from put().`,
      );
    }
    try {
      const body = text.slice(prefix.length);
      const bytes = Buffer.from(body, "base64url");
      // Node skips characters that do not belong there: one ref must not have two spellings.
      if (bytes.toString("base64url") !== body) throw new MalformedBytes("it is not clean base64url");
      return decodeRef(bytes);
    } catch (error) {
      throw new MayflyError("INVALID_ARGUMENT", `This ref is damaged: ${MayflyError.from(error).message}`);
    }
  }
}

export function encodeRef(ref: RefFields): Uint8Array {
  const writer = new ByteWriter();
  const { stored } = ref;
  const flags =
    (ref.stripes === undefined ? 0 : hintFlag) |
    (ref.inline === true ? inlineFlag : 0) |
    (stored === undefined ? 0 : storedFlag);
  writer.u8(layoutVersion).u8(flags).bytes(objectIdBytes(ref.object));
  writer.u8(ref.code.d).u8(ref.code.p);
  writer.varint(Math.floor(ref.sizeBytes / 2 ** 32)).varint(ref.sizeBytes % 2 ** 32);
  const at = ref.version === undefined ? noVersion : parseVersion(ref.version);
  writer.varint(at.generation).varint(at.sequence);
  writer.varint(ref.key.length).bytes(ref.key);
  if (ref.stripes !== undefined) {
    const nodes = [...new Set(ref.stripes.flat())];
    const position = new Map(nodes.map((node, at) => [node, at]));
    writer.varint(nodes.length);
    for (const node of nodes) writer.varint(node);
    for (const stripe of ref.stripes) for (const node of stripe) writer.varint(position.get(node)!);
  }
  if (stored !== undefined) {
    const name = Buffer.from(stored.name);
    writer.u8(storedLayouts.indexOf(stored.layout));
    writer.varint(Math.floor(stored.offset / 2 ** 32)).varint(stored.offset % 2 ** 32);
    writer.varint(name.length).bytes(name);
  }
  return writer.finish();
}

/** @throws MayflyError PROTOCOL when the bytes are no ref */
export function decodeRef(bytes: Uint8Array): Ref {
  try {
    return readRef(new ByteReader(bytes));
  } catch (error) {
    if (error instanceof MayflyError && error.code === "PROTOCOL") throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new MayflyError("PROTOCOL", `These ${bytes.length} bytes are no ref: ${why}`);
  }
}

function readRef(reader: ByteReader): Ref {
  const found = reader.u8("layout version");
  if (found !== layoutVersion)
    throw new MalformedBytes(`version ${found}, this build reads ${layoutVersion}`);
  const flags = reader.u8("flags");
  if (flags > (hintFlag | storedFlag) || flags === (hintFlag | inlineFlag)) {
    throw new MalformedBytes(`flags ${flags}`);
  }
  const object = objectId(Uint8Array.from(reader.take(16, "object id")));
  const code = checkCode({ d: reader.u8("d"), p: reader.u8("p") });
  const sizeBytes = reader.varint(2 ** 21 - 1, "size") * 2 ** 32 + reader.varint(2 ** 32 - 1, "size");
  if (sizeBytes > objectBytesMax(code)) throw new MalformedBytes(`a size of ${sizeBytes} bytes`);
  const word = 2 ** 32 - 1;
  const at = { generation: reader.varint(word, "generation"), sequence: reader.varint(word, "sequence") };
  const version = at.generation === 0 ? undefined : formatVersion(at);
  const key = Uint8Array.from(reader.take(reader.varint(keyBytesMax, "key length"), "key"));
  if (key.length === 0) throw new MalformedBytes("an empty key");
  const stripes =
    (flags & hintFlag) === 0 ? undefined : readStripes(reader, stripeCount(sizeBytes, code), code);
  const stored = (flags & storedFlag) === 0 ? undefined : readPlace(reader);
  reader.end();
  const inline = (flags & inlineFlag) !== 0;
  return new Ref({ object, key, sizeBytes, code, stripes, stored, inline, version });
}

function readPlace(reader: ByteReader): StoredPlace {
  const layout = storedLayouts[reader.u8("layout in the store")];
  if (layout === undefined) throw new MalformedBytes("an unknown layout in the store");
  const offset = reader.varint(2 ** 21 - 1, "offset") * 2 ** 32 + reader.varint(2 ** 32 - 1, "offset");
  const name = Buffer.from(reader.take(reader.varint(storedNameBytesMax, "name length"), "name"));
  if (name.length === 0) throw new MalformedBytes("an empty name in the store");
  return { name: name.toString(), offset, layout };
}

function readStripes(reader: ByteReader, count: number, code: Code): NodeId[][] {
  const nodeCount = reader.varint(nodesMax, "node count");
  const nodes = Array.from({ length: nodeCount }, () => nodeId(reader.varint(2 ** 32 - 1, "node id")));
  const width = code.d + code.p;
  if (count * width > reader.left) throw new MalformedBytes(`${count} stripes do not fit the bytes left`);
  return Array.from({ length: count }, () =>
    Array.from({ length: width }, () => {
      const node = nodes[reader.varint(nodeCount - 1, "position")];
      if (node === undefined) throw new MalformedBytes("a stripe without nodes");
      return node;
    }),
  );
}
