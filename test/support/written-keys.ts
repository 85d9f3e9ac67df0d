/** Remembers what was acknowledged at which key, and checks that it can be read. */
import { randomFillSync } from "node:crypto";
import { expect } from "vitest";
import type { Job } from "../../client/job.ts";
import { MayflyError } from "../../src/errors.ts";
import type { NodeId } from "../../src/ids.ts";
import { groupOf } from "../../src/placement/groups.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import type { Ref } from "../../src/wire/ref.ts";

export interface Written {
  readonly key: string;
  readonly bytes: Buffer;
  readonly ref: Ref;
}

/** Bytes that compress to nothing and repeat nowhere. */
export function anyBytes(length: number): Buffer {
  return randomFillSync(Buffer.allocUnsafe(length));
}

export async function write(job: Job, key: string, length: number): Promise<Written> {
  const bytes = anyBytes(length);
  return { key, bytes, ref: await job.put(key, bytes) };
}

/** What each read came to: "right", "wrong", or the code of its error. */
export async function readBack(
  written: readonly Written[],
  read: (one: Written) => Promise<Uint8Array>,
): Promise<Map<string, string>> {
  const outcomes = written.map(async (one): Promise<[string, string]> => {
    try {
      return [one.key, one.bytes.equals(await read(one)) ? "right" : "wrong"];
    } catch (thrown) {
      return [one.key, thrown instanceof MayflyError ? thrown.code : `not a MayflyError: ${thrown}`];
    }
  });
  return new Map(await Promise.all(outcomes));
}

/** Every one can be read by its key and by its ref, with the bytes that were written. */
export async function expectAllRight(job: Job, written: readonly Written[]): Promise<void> {
  const right = new Map(written.map(({ key }) => [key, "right"]));
  expect(await readBack(written, ({ key }) => job.get(key))).toEqual(right);
  expect(await readBack(written, ({ ref }) => job.get(ref))).toEqual(right);
}

/** The nodes of the row of a key, primary first. */
export function rowOf(map: FleetMap, key: string): readonly NodeId[] {
  return map.rows[groupOf(Buffer.from(key))]!.nodes;
}

/** `count` keys that begin with `prefix` and whose row is as `fits` says. */
export function keysWhere(
  map: FleetMap,
  prefix: string,
  count: number,
  fits: (row: readonly NodeId[]) => boolean,
): string[] {
  const keys: string[] = [];
  for (let n = 0; keys.length < count; n++) {
    const key = `${prefix}${n}`;
    if (fits(rowOf(map, key))) keys.push(key);
    if (n > 100_000) throw new Error(`No key of the first 100,000 has such a row.`);
  }
  return keys;
}
