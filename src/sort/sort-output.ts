/**
 * The output file: written under a temporary name beside the final one by all reducers at once, and renamed when it is
 * whole and validated. Whatever happens before that, nothing is left under the final name.
 */
import { access, constants, open, rename, statfs, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Rng } from "../clock.ts";
import { MayflyError } from "../errors.ts";

export interface SortOutput {
  /** Where the reducers write. */
  readonly temporaryPath: string;
  /** Makes it durable and gives it its final name. */
  publish(): Promise<void>;
  /** Removes what was written; does nothing after `publish`. */
  discard(): Promise<void>;
}

/** @throws MayflyError OUTPUT_FAILED when it cannot be written there, or the disk has not enough room */
export async function createSortOutput(path: string, sizeBytes: number, rng: Rng): Promise<SortOutput> {
  const dir = dirname(path);
  const failed = (why: string, cause?: unknown): MayflyError =>
    new MayflyError("OUTPUT_FAILED", `Output ${path} cannot be written: ${why}.`, { cause });
  await access(dir, constants.W_OK).catch((cause: NodeJS.ErrnoException) => {
    throw failed(cause.code === "ENOENT" ? `there is no folder ${dir}` : cause.message, cause);
  });
  const disk = await statfs(dir);
  const freeBytes = disk.bavail * disk.bsize;
  if (freeBytes < sizeBytes) throw failed(`it needs ${sizeBytes} bytes and the disk has ${freeBytes} free`);
  const suffix = Buffer.from(rng.bytes(6)).toString("hex");
  const temporaryPath = join(dir, `.${basename(path)}.${suffix}.mayfly-sort`);
  const file = await open(temporaryPath, "wx").catch((cause: Error) => {
    throw failed(cause.message, cause);
  });
  await file.truncate(sizeBytes).finally(() => file.close());
  let published = false;
  return {
    temporaryPath,
    async publish() {
      const whole = await open(temporaryPath, "r+");
      await whole.sync().finally(() => whole.close());
      await rename(temporaryPath, path).catch((cause: Error) => {
        throw failed(cause.message, cause);
      });
      published = true;
    },
    async discard() {
      if (!published) await unlink(temporaryPath).catch(() => undefined);
    },
  };
}
