/** The objects of a folder in the order of their names, a folder at a time. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { StoredObject } from "../object-store.ts";
import { isErrno } from "./durable-folder.ts";
import { type Entry, entryOf } from "./object-path.ts";

interface FoundEntry extends Entry {
  readonly fileName: string;
}

/**
 * @param name what the names of all objects in the folder begin with
 * @param after only names behind this one
 */
export async function* listFolder(
  folder: string,
  name: string,
  prefix: string,
  after = "",
): AsyncGenerator<StoredObject, void, undefined> {
  const last = Buffer.from(after);
  for (const { fileName, isFolder, text } of await entriesOf(folder)) {
    const full = name + text;
    const path = join(folder, fileName);
    const isBehind = Buffer.compare(Buffer.from(full), last) > 0 || (isFolder && after.startsWith(full));
    if (!isBehind) continue;
    if (isFolder) {
      if (full.startsWith(prefix) || prefix.startsWith(full)) yield* listFolder(path, full, prefix, after);
    } else if (full.startsWith(prefix)) {
      const stored = await storedFile(path, full);
      if (stored !== undefined) yield stored;
    }
  }
}

/**
 * Sorted by what they add to names: a folder by its name with the slash, so that what is in it comes where it belongs.
 * UTF-16, which strings compare by, orders what is above U+FFFF otherwise than UTF-8.
 */
async function entriesOf(folder: string): Promise<FoundEntry[]> {
  const fileNames = await readdir(folder).catch((thrown: unknown) => {
    if (isErrno(thrown, "ENOENT", "ENOTDIR")) return [];
    throw thrown;
  });
  return fileNames
    .flatMap((fileName) => {
      const entry = entryOf(fileName);
      return entry === undefined ? [] : [{ ...entry, fileName, key: Buffer.from(entry.text) }];
    })
    .sort((a, b) => Buffer.compare(a.key, b.key));
}

/** Undefined when there is no such file. */
export async function storedFile(path: string, name: string): Promise<StoredObject | undefined> {
  try {
    const found = await stat(path);
    if (!found.isFile()) return undefined;
    return { name, sizeBytes: found.size, modifiedAtMs: Math.floor(found.mtimeMs) };
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT", "ENOTDIR")) return undefined;
    throw thrown;
  }
}
