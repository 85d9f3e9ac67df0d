/** The manifests of fleets in an object store: who finds one that nobody renews may sweep what its fleet has spilled. */
import type { ObjectStore } from "../../durable/object-store.ts";
import { manifestName, manifestPrefix } from "../../wire/stored-names.ts";

export interface Manifest {
  /** Of the controller. */
  readonly url: string;
  /** That are alive. */
  readonly jobs: readonly number[];
  /** Milliseconds since 1970, by the controller's clock; who sweeps goes by the store's. */
  readonly writtenAtMs: number;
  /** However old it gets, the fleet is to come back: nothing of it is swept. */
  readonly keep?: boolean;
}

export interface FoundManifest {
  readonly fleet: string;
  readonly renewedAtMs: number;
  readonly keep: boolean;
}

const manifestBytesMax = 1024 * 1024;
const timeoutMs = 30_000;

export async function writeManifest(store: ObjectStore, fleet: string, manifest: Manifest): Promise<void> {
  await store.put(manifestName(fleet), Buffer.from(JSON.stringify(manifest)), { timeoutMs });
}

/** All that are there. One that cannot be read counts as to be kept. */
export async function listManifests(store: ObjectStore): Promise<FoundManifest[]> {
  const found: FoundManifest[] = [];
  for await (const { name, modifiedAtMs } of store.list(manifestPrefix)) {
    const fleet = /^manifests\/([0-9a-f]{16})\.json$/.exec(name)?.[1];
    if (fleet === undefined) continue;
    found.push({ fleet, renewedAtMs: modifiedAtMs, keep: await isKept(store, name) });
  }
  return found;
}

async function isKept(store: ObjectStore, name: string): Promise<boolean> {
  try {
    const bytes = await store.get(name, { timeoutMs, range: { start: 0, end: manifestBytesMax } });
    const manifest: unknown = JSON.parse(Buffer.from(bytes).toString());
    const isObject = typeof manifest === "object" && manifest !== null;
    return !isObject || ("keep" in manifest && manifest.keep === true);
  } catch {
    return true;
  }
}
