import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { realpath, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { MayflyError } from "../errors.ts";
import { fileErrorText } from "./file-error.ts";

/**
 * Writes a file so that nobody ever sees a part of it: into a file beside it, which then takes its name. What is no
 * regular file (a pipe, /dev/null) is written to directly. On any error the old file stays as it was.
 * @returns the number of bytes written
 * @throws MayflyError OUTPUT_FAILED when it cannot be written; what `pieces` throws
 */
export async function writeOutput(path: string, pieces: AsyncIterable<Uint8Array>): Promise<number> {
  const old = await stat(path).catch(() => undefined);
  if (old?.isDirectory()) throw new MayflyError("OUTPUT_FAILED", `${path} is a directory; name a file in it`);
  if (old !== undefined && !old.isFile()) return await writePieces(path, path, "w", undefined, pieces);
  // Of a symbolic link the target is replaced, not the link.
  const target = old === undefined ? path : await realpath(path);
  const beside = join(dirname(target), `.${basename(target)}.${randomUUID().slice(0, 8)}.partial`);
  try {
    const bytes = await writePieces(
      path,
      beside,
      "wx",
      old === undefined ? undefined : old.mode & 0o777,
      pieces,
    );
    await rename(beside, target).catch((thrown: unknown) => {
      throw unwritable(path, thrown);
    });
    return bytes;
  } catch (thrown) {
    await unlink(beside).catch(() => undefined);
    throw thrown;
  }
}

async function writePieces(
  path: string,
  into: string,
  flags: "w" | "wx",
  mode: number | undefined,
  pieces: AsyncIterable<Uint8Array>,
): Promise<number> {
  let bytes = 0;
  let fromPieces: { thrown: unknown } | undefined;
  async function* counted(): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of pieces) {
        bytes += piece.length;
        yield piece;
      }
    } catch (thrown) {
      fromPieces = { thrown };
      throw thrown;
    }
  }
  try {
    await pipeline(counted(), createWriteStream(into, { flags, ...(mode !== undefined && { mode }) }));
  } catch (thrown) {
    throw fromPieces === undefined ? unwritable(path, thrown) : fromPieces.thrown;
  }
  return bytes;
}

function unwritable(path: string, thrown: unknown): MayflyError {
  return new MayflyError("OUTPUT_FAILED", `${path} cannot be written: ${fileErrorText(thrown)}`, {
    cause: thrown,
  });
}
