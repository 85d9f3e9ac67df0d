/**
 * The output file: written under a temporary name beside the final one by all reducers at once, and renamed when it is
 * whole and validated. Whatever happens before that, nothing is left under the final name.
 */
import { access, constants, open, rename, stat, statfs, unlink } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
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
  const failed = (why: string, cause?: unknown): MayflyError => failedOutput(path, why, cause);
  await access(dir, constants.W_OK).catch((cause: NodeJS.ErrnoException) => {
    throw failed(cause.code === "ENOENT" ? `there is no folder ${dir}` : cause.message, cause);
  });
  const disk = await statfs(dir);
  const freeBytes = disk.bavail * disk.bsize;
  if (freeBytes < sizeBytes) throw failed(`it needs ${sizeBytes} bytes and the disk has ${freeBytes} free`);
  const temporaryPath = temporaryNameOf(path, rng);
  const file = await open(temporaryPath, "wx").catch((cause: Error) => {
    throw failed(cause.message, cause);
  });
  await file.truncate(sizeBytes).finally(() => file.close());
  return outputAt(path, temporaryPath, true);
}

/** Where an output is written before it gets its name: beside it, so that it can be renamed. */
export function temporaryNameOf(path: string, rng: Rng): string {
  const whole = resolve(path);
  const suffix = Buffer.from(rng.bytes(6)).toString("hex");
  return join(dirname(whole), `.${basename(whole)}.${suffix}.mayfly-sort`);
}

/**
 * The output of a sort that can be resumed: what was written of it stays when the sort ends early.
 * @param isBegun whether parts of it must be there
 * @throws MayflyError OUTPUT_FAILED when they are not
 */
export async function reopenSortOutput(
  path: string,
  sizeBytes: number,
  temporaryPath: string,
  isBegun: boolean,
): Promise<SortOutput> {
  const found = await stat(temporaryPath).catch(() => undefined);
  if (found === undefined && isBegun && (await stat(path).catch(() => undefined))?.size === sizeBytes) {
    // Killed between its last act and its last word.
    return { temporaryPath: path, async publish() {}, async discard() {} };
  }
  if (isBegun && found?.size !== sizeBytes)
    throw failedOutput(path, `what was written of it is not in ${temporaryPath} any more; sort anew`);
  const file = await open(temporaryPath, found === undefined ? "wx" : "r+").catch((cause: Error) => {
    throw failedOutput(path, cause.message, cause);
  });
  await file.truncate(sizeBytes).finally(() => file.close());
  return outputAt(path, temporaryPath, false);
}

function failedOutput(path: string, why: string, cause?: unknown): MayflyError {
  return new MayflyError("OUTPUT_FAILED", `Output ${path} cannot be written: ${why}.`, { cause });
}

function outputAt(path: string, temporaryPath: string, removable: boolean): SortOutput {
  let published = false;
  return {
    temporaryPath,
    async publish() {
      const whole = await open(temporaryPath, "r+");
      await whole.sync().finally(() => whole.close());
      await rename(temporaryPath, path).catch((cause: Error) => {
        throw failedOutput(path, cause.message, cause);
      });
      published = true;
    },
    async discard() {
      if (removable && !published) await unlink(temporaryPath).catch(() => undefined);
    },
  };
}
