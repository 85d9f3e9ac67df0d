/** Writes an object so that its name leads to all of it or to nothing, also when the machine stops meanwhile. */

import { link, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Rng } from "../../clock.ts";
import { MayflyError } from "../../errors.ts";
import type { OpenCall } from "../store-calls.ts";
import { AppendFile } from "./append-file.ts";
import { isErrno, makeFolder, syncFolder } from "./durable-folder.ts";
import { pathOfName } from "./object-path.ts";
import { newTemporaryFile } from "./temporary-files.ts";

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
  fill: (file: AppendFile) => Promise<number>,
): Promise<number> {
  const file = await newTemporaryFile(root, rng);
  const content = new AppendFile(file.path, file.handle);
  try {
    const bytes = await fill(content);
    await content.end();
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
    await content.close();
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
