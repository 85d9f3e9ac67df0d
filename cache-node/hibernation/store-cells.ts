/** Writes all that this node's rows hold to the object store, as one pack. The rows must be still. */

import type { ObjectStore } from "../../src/durable/object-store.ts";
import { MayflyError } from "../../src/errors.ts";
import type { Group } from "../../src/ids.ts";
import { decodeRef, encodeRef } from "../../src/wire/ref.ts";
import type { Version } from "../../src/wire/version.ts";
import type { Replicas } from "../replicas.ts";
import { encodeRecords, type GroupRecord } from "../replication/snapshot.ts";
import { packPieces } from "./group-pack.ts";

/** For all of it; whoever waits asks again. */
const storeTimeoutMs = 10 * 60_000;

export interface StoreCellsOptions {
  readonly replicas: Replicas;
  readonly store: ObjectStore;
  readonly name: string;
  readonly signal: AbortSignal;
}

/**
 * Resolves to the bytes that were written, once they are in the object store.
 *
 * @throws MayflyError UNAVAILABLE when a row is not served or changes hands, or an object is in memory only; ABORTED; what the
 * object store throws
 */
export async function storeCells(options: StoreCellsOptions): Promise<number> {
  const { replicas, store, name, signal } = options;
  const groups = replicas.rows.allServed();
  // What is not on all members may be gone with this node; what was never acknowledged may be stored all the same.
  await Promise.all(groups.map((group) => committed(replicas, group)));
  const left = memoryOnly(replicas, groups);
  if (left.objects > 0) {
    throw new MayflyError("UNAVAILABLE", `${left.objects} objects are in memory only.`, {
      retryAfterMs: 500,
    });
  }
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (const piece of packPieces(eachGroup(replicas, groups))) {
      if (signal.aborted) throw new MayflyError("ABORTED", "The fleet stays awake.");
      yield piece;
    }
  }
  const { sizeBytes } = await store.upload(name, pieces(), { timeoutMs: storeTimeoutMs, signal });
  return sizeBytes;
}

/** Of the rows that this node leads: objects of which the object store has no copy, and their bytes. */
export function memoryOnly(
  { cells }: Pick<Replicas, "cells">,
  groups: readonly Group[],
): { readonly objects: number; readonly bytes: number } {
  let objects = 0;
  let bytes = 0;
  for (const group of groups) {
    for (const { value } of cells.refs(group)) {
      const ref = decodeRef(value);
      if (ref.stored !== undefined || ref.inline) continue;
      objects += 1;
      bytes += ref.sizeBytes;
    }
  }
  return { objects, bytes };
}

function* eachGroup(
  replicas: Replicas,
  groups: readonly Group[],
): Generator<{ readonly group: Group; readonly version: Version; readonly bytes: Uint8Array }> {
  for (const group of groups) {
    const { version, records } = replicas.holding(group);
    yield { group, version, bytes: encodeRecords(withoutNodes(records)) };
  }
}

/** The nodes of a ref will be gone, and their ids are never used again. */
function* withoutNodes(records: Iterable<GroupRecord>): Generator<GroupRecord> {
  for (const record of records) {
    if (record.type !== "cell" || record.kind !== "ref" || record.value === undefined) yield record;
    else {
      const ref = decodeRef(record.value);
      const value = ref.stripes === undefined ? record.value : encodeRef({ ...ref, stripes: undefined });
      yield { ...record, value };
    }
  }
}

function committed({ logs }: Replicas, group: Group): Promise<void> {
  return new Promise((resolve, reject) => {
    const log = logs.of(group);
    log.whenCommitted(log.position, (isCommitted) => {
      if (isCommitted) resolve();
      else reject(new MayflyError("UNAVAILABLE", `Group ${group} changes hands.`));
    });
  });
}
