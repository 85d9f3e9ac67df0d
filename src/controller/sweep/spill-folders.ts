/** What was spilled and lies in an object store, by fleet and job. */
import type { ObjectStore } from "../../durable/object-store.ts";
import { spilledFor, spillPrefix } from "../../wire/stored-names.ts";

export interface SpillFolder {
  readonly fleet: string;
  readonly job: number;
  readonly objects: number;
  readonly bytes: number;
  /** When something was last written there, by the store's clock. */
  readonly newestAtMs: number;
}

const listTimeoutMs = 10 * 60_000;
const deleteTimeoutMs = 60_000;
const namesPerRequest = 1000;

/** @param fleet only of this one; of all without it, and then everything in the store is listed */
export async function listSpillFolders(store: ObjectStore, fleet?: string): Promise<SpillFolder[]> {
  const folders = new Map<string, SpillFolder>();
  const prefix = fleet === undefined ? "" : spillPrefix(fleet);
  for await (const { name, sizeBytes, modifiedAtMs } of store.list(prefix, { timeoutMs: listTimeoutMs })) {
    const whose = spilledFor(name);
    if (whose === undefined) continue;
    const key = spillPrefix(whose.fleet, whose.job);
    const { objects = 0, bytes = 0, newestAtMs = 0 } = folders.get(key) ?? {};
    folders.set(key, {
      ...{ fleet: whose.fleet, job: whose.job, objects: objects + 1, bytes: bytes + sizeBytes },
      newestAtMs: Math.max(newestAtMs, modifiedAtMs),
    });
  }
  return [...folders.values()];
}

/** Deletes all that was spilled for the job. Returns how much that was. */
export async function deleteSpillFolder(
  store: ObjectStore,
  { fleet, job }: Pick<SpillFolder, "fleet" | "job">,
): Promise<{ readonly objects: number; readonly bytes: number }> {
  let [objects, bytes] = [0, 0];
  let names: string[] = [];
  const flush = async (): Promise<void> => {
    if (names.length > 0) await store.delete(names, { timeoutMs: deleteTimeoutMs });
    names = [];
  };
  for await (const { name, sizeBytes } of store.list(`${fleet}/spill/job-${job}/`, {
    timeoutMs: listTimeoutMs,
  })) {
    // Whatever a store takes the prefix for: nothing else is deleted here.
    if (spilledFor(name)?.job !== job) continue;
    names.push(name);
    objects += 1;
    bytes += sizeBytes;
    if (names.length === namesPerRequest) await flush();
  }
  await flush();
  return { objects, bytes };
}
