/** What is being written lies in a folder of its own until it is whole; what writers that died have left there goes when it is old. */
import { type FileHandle, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Rng } from "../../clock.ts";
import { temporaryFolder } from "./object-path.ts";

/** Without a write for that long, its writer is gone. */
export const leftoverAgeMs: number = 3_600_000;

export interface TemporaryFile {
  readonly path: string;
  readonly handle: FileHandle;
  /** Closes it, and removes what is left of it. */
  discard(): Promise<void>;
}

export async function newTemporaryFile(root: string, rng: Rng): Promise<TemporaryFile> {
  const path = join(root, temporaryFolder, Buffer.from(rng.bytes(16)).toString("hex"));
  const handle = await open(path, "wx", 0o644);
  return {
    path,
    handle,
    async discard() {
      await handle.close().catch(() => undefined);
      await rm(path, { force: true });
    },
  };
}

export async function removeLeftovers(root: string, clock: Clock): Promise<void> {
  const folder = join(root, temporaryFolder);
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    // Another process may be quicker.
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile() === true && clock.wallMs() - found.mtimeMs > leftoverAgeMs)
      await rm(path, { force: true });
  }
}
