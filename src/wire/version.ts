import { MayflyError } from "../errors.ts";

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
  const match = /^(\d{1,10})\.(\d{1,10})$/.exec(text);
  if (match === null) {
    throw new MayflyError(
      "INVALID_ARGUMENT",
      `${JSON.stringify(text.slice(0, 40))} is no version: take it from put(), get() or stat().`,
    );
  }
  return { generation: Number(match[1]), sequence: Number(match[2]) };
}

/** Negative when `a` is older than `b`. */
export function compareVersions(a: Version, b: Version): number {
  return a.generation - b.generation || a.sequence - b.sequence;
}
