/** Decides, and only decides, which folders of spilled objects are garbage. Nothing that is durable is ever among them. */
import type { FoundManifest } from "./manifest.ts";
import type { SpillFolder } from "./spill-folders.ts";

/** What a controller knows of its own fleet. */
export interface OwnJobs {
  readonly fleet: string;
  readonly alive: ReadonlySet<number>;
  /** Numbers above it are of another controller of the fleet, which knows more. */
  readonly highest: number;
}

/** Of the own fleet: the folders of jobs that have ended. */
export function planOwnSweep(folders: readonly SpillFolder[], own: OwnJobs): SpillFolder[] {
  return folders.filter(({ fleet, job }) => fleet === own.fleet && job <= own.highest && !own.alive.has(job));
}

/** Other fleets whose manifests nobody has renewed for so long, nor asked to keep. */
export function planAbandoned(
  manifests: readonly FoundManifest[],
  own: string | undefined,
  nowMs: number,
  abandonedAfterMs: number,
): string[] {
  return manifests
    .filter(
      ({ fleet, renewedAtMs, keep }) => fleet !== own && !keep && nowMs - renewedAtMs > abandonedAfterMs,
    )
    .map(({ fleet }) => fleet);
}

/** Of a fleet without a manifest, or with an old one: nothing was written lately either. */
export function isAbandoned(
  folders: readonly SpillFolder[],
  nowMs: number,
  abandonedAfterMs: number,
): boolean {
  return folders.every(({ newestAtMs }) => nowMs - newestAtMs > abandonedAfterMs);
}
