import { MayflyError } from "../errors.ts";
import { ByteReader, ByteWriter, MalformedBytes } from "../placement/byte-cursor.ts";

const versionPartMax = 2 ** 32 - 1;

/** (row generation, log sequence): never used twice for a key. Text form "generation.sequence". */
export interface Version {
  readonly generation: number;
  readonly sequence: number;
}

export function formatVersion(version: Version): string {
  return `${version.generation}.${version.sequence}`;
}

/** @throws MayflyError INVALID_ARGUMENT */
export function parseVersion(text: string): Version {
  const match = /^(0|[1-9]\d{0,9})\.(0|[1-9]\d{0,9})$/.exec(text);
  const generation = Number(match?.[1]);
  const sequence = Number(match?.[2]);
  if (match === null || generation > versionPartMax || sequence > versionPartMax) {
    throw new MayflyError(
      "INVALID_ARGUMENT",
      `${JSON.stringify(text.slice(0, 40))} is no version: take it from put(), get() or stat().`,
    );
  }
  return { generation, sequence };
}

/** Negative when `a` is older than `b`. */
export function compareVersions(a: Version, b: Version): number {
  return a.generation - b.generation || a.sequence - b.sequence;
}

export const noVersion: Version = { generation: 0, sequence: 0 };

/** Two varints: the value of an `activate` effect. */
export function encodeVersion({ generation, sequence }: Version): Uint8Array {
  return new ByteWriter(10).varint(generation).varint(sequence).finish();
}

/** @throws MayflyError PROTOCOL */
export function decodeVersion(bytes: Uint8Array): Version {
  try {
    const reader = new ByteReader(bytes);
    const version = {
      generation: reader.varint(versionPartMax, "generation"),
      sequence: reader.varint(versionPartMax, "sequence"),
    };
    reader.end();
    return version;
  } catch (error) {
    if (!(error instanceof MalformedBytes)) throw error;
    throw new MayflyError("PROTOCOL", `These ${bytes.length} bytes are no version: ${error.message}`);
  }
}
