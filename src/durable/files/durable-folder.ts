/** Folders and files so that what has been written is there after a loss of power. */
import { mkdir, open, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";

const errnoOf = (thrown: unknown): unknown => (thrown as { readonly code?: unknown }).code;

export function isErrno(thrown: unknown, ...codes: readonly string[]): boolean {
  return codes.includes(String(errnoOf(thrown)));
}

/** The entries of the folder are on disk. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the folder and those above it, each on disk before anything is put into it. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let at = path; at.length >= first.length; at = dirname(at)) await syncFolder(dirname(at));
}

/** Removes the folder and those above it that are empty, up to the root. Best effort: others may be filling them. */
export async function removeEmptyFolders(root: string, parts: readonly string[]): Promise<void> {
  for (let count = parts.length; count > 0; count -= 1) {
    try {
      await rmdir(join(root, ...parts.slice(0, count)));
    } catch {
      return;
    }
  }
}
