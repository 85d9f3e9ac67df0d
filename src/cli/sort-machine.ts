/** What a sort may take of this machine: memory for all of its processes, and room on its disks. */
import { stat, statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { MayflyError } from "../errors.ts";
import { freeMemoryBytes, totalMemoryBytes } from "./machine-memory.ts";
import { formatBytes } from "./sizes.ts";

/** Of all memory: the rest is for the system, its file cache and whatever else runs. */
const shareDefault = 5 / 6;

/**
 * Bytes for nodes, functions and the controller together.
 * @param wanted that of --memory
 * @throws MayflyError OUT_OF_MEMORY when so much is not free
 */
export function memoryBudget(
  wanted: number | undefined,
  freeBytes = freeMemoryBytes(),
  totalBytes = totalMemoryBytes(),
): number {
  if (wanted === undefined) return Math.floor(Math.min(freeBytes, totalBytes * shareDefault));
  if (wanted <= freeBytes) return wanted;
  const fitting = `${Math.floor(freeBytes / 2 ** 20)}MiB`;
  throw new MayflyError(
    "OUT_OF_MEMORY",
    `--memory ${formatBytes(wanted)} is more than the ${formatBytes(freeBytes)} that are free here: free some, or give --memory ${fitting}`,
  );
}

export interface DiskNeed {
  readonly what: "spill" | "output";
  readonly folder: string;
  readonly neededBytes: number;
}

export interface DiskUse extends DiskNeed {
  /** On its disk, for all that goes there together. */
  readonly freeBytes: number;
}

/** The folder of a file: URL. @throws MayflyError INVALID_ARGUMENT */
export function spillFolder(url: string): string | undefined {
  if (!url.startsWith("file:")) return undefined;
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new MayflyError("INVALID_ARGUMENT", `--spill ${url} names no folder: write file:///DIR`, { cause });
  }
}

/** Looks at the disks; folders that are not there yet are looked at where they would be. */
export async function diskUses(needs: readonly DiskNeed[]): Promise<DiskUse[]> {
  return Promise.all(
    needs.map(async (need): Promise<DiskUse> => {
      const { bavail, bsize } = await statfs(await existingFolder(need.folder));
      return { ...need, freeBytes: bavail * bsize };
    }),
  );
}

/** @throws MayflyError OUTPUT_FAILED when a disk has not enough room for all that goes there */
export async function checkDisks(uses: readonly DiskUse[]): Promise<void> {
  const byDisk = new Map<number, DiskUse[]>();
  for (const use of uses) {
    const { dev } = await stat(await existingFolder(use.folder));
    byDisk.set(dev, [...(byDisk.get(dev) ?? []), use]);
  }
  for (const onDisk of byDisk.values()) {
    const needed = onDisk.reduce((sum, { neededBytes }) => sum + neededBytes, 0);
    const freeBytes = Math.min(...onDisk.map((use) => use.freeBytes));
    if (needed <= freeBytes) continue;
    const whats = onDisk.map(
      ({ what, folder, neededBytes }) => `${formatBytes(neededBytes, "decimal")} of ${what} in ${folder}`,
    );
    const advice = onDisk.some(({ what }) => what === "spill")
      ? "take more waves, which spill less at a time, more memory, or another disk"
      : "take another disk, or leave --output out to validate only";
    throw new MayflyError(
      "OUTPUT_FAILED",
      `The plan does not fit the disk: ${whats.join(" and ")}, and ${formatBytes(freeBytes, "decimal")} are free: ${advice}`,
    );
  }
}

async function existingFolder(folder: string): Promise<string> {
  let path = resolve(folder);
  for (;;) {
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory() || dirname(path) === path) return path;
    path = dirname(path);
  }
}
