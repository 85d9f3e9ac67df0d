/** Writes an object so that its name leads to all of it or to nothing, also when the machine stops meanwhile. */

import type { FileHandle } from "node:fs/promises";
import { link, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Rng } from "../../clock.ts";
import { MayflyError } from "../../errors.ts";
import { type OpenCall, reasonOf } from "../store-calls.ts";
import { isErrno, makeFolder, syncFolder } from "./durable-folder.ts";
import { pathOfName } from "./object-path.ts";
import { newTemporaryFile } from "./temporary-files.ts";

/** The deadline is looked at between two writes. */
const stepBytes = 8 * 2 ** 20;
/** What one writev takes. */
const piecesMax = 512;
/** So often somebody else may remove the folder, empty, before anything is in it. */
const placeTriesMax = 100;

export interface FileTarget {
  readonly root: string;
  readonly rng: Rng;
  readonly name: string;
  readonly ifAbsent: boolean;
}

/** @returns the number of bytes that `fill` wrote */
export async function writeObject(
  { root, rng, name, ifAbsent }: FileTarget,
  call: Pick<OpenCall, "what">,
  fill: (handle: FileHandle) => Promise<number>,
): Promise<number> {
  const file = await newTemporaryFile(root, rng);
  try {
    const bytes = await fill(file.handle);
    await file.handle.datasync();
    await file.handle.close();
    const path = join(root, ...pathOfName(name));
    await inFolder(dirname(path), () => (ifAbsent ? link(file.path, path) : rename(file.path, path)));
    await syncFolder(dirname(path)).catch((thrown: unknown) => {
      // The object was deleted again meanwhile, and the folder with it.
      if (!isErrno(thrown, "ENOENT")) throw thrown;
    });
    return bytes;
  } catch (thrown) {
    if (!ifAbsent || !isErrno(thrown, "EEXIST")) throw thrown;
    throw new MayflyError("KEY_EXISTS", `${call.what}: there is an object of the name already.`);
  } finally {
    await file.discard();
  }
}

/** Whoever deletes the last object of a folder removes the folder: then it is made again. */
async function inFolder(folder: string, place: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await place();
    } catch (thrown) {
      if (!isErrno(thrown, "ENOENT") || tries >= placeTriesMax) throw thrown;
    }
    await makeFolder(folder).catch((thrown: unknown) => {
      if (!isErrno(thrown, "ENOENT")) throw thrown;
    });
  }
}

/** Appends the pieces. @throws the reason of the call when it is over */
export async function appendPieces(
  handle: FileHandle,
  pieces: readonly Uint8Array[],
  { signal }: Pick<OpenCall, "signal">,
): Promise<number> {
  let written = 0;
  let batch: Uint8Array[] = [];
  let bytes = 0;
  const flush = async (): Promise<void> => {
    if (signal.aborted) throw reasonOf(signal);
    let left = batch;
    while (left.length > 0) {
      const { bytesWritten } = await handle.writev(left);
      written += bytesWritten;
      left = behind(left, bytesWritten);
    }
    batch = [];
    bytes = 0;
  };
  for (const piece of pieces) {
    for (let at = 0; at < piece.byteLength; at += stepBytes) {
      const step = piece.subarray(at, at + stepBytes);
      batch.push(step);
      bytes += step.byteLength;
      if (bytes >= stepBytes || batch.length >= piecesMax) await flush();
    }
  }
  await flush();
  return written;
}

/** What is left of the pieces behind so many bytes. */
function behind(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const left: Uint8Array[] = [];
  let skip = bytes;
  for (const piece of pieces) {
    if (skip < piece.byteLength) left.push(piece.subarray(skip));
    skip = Math.max(0, skip - piece.byteLength);
  }
  return left;
}
