/** Opens an object store by its URL. What a kind of store needs is loaded when one of that kind is opened. */
import { fileURLToPath } from "node:url";
import type { Clock, Rng } from "../clock.ts";
import { MayflyError } from "../errors.ts";
import type { ObjectStore } from "./object-store.ts";
import { s3PlaceOf } from "./s3/place.ts";

export interface OpenStoreOptions {
  readonly clock: Clock;
  readonly rng: Rng;
}

/**
 * `s3://bucket/prefix?endpoint=http://host:port&region=name` or `file:///folder`. The folder is made; of S3 nothing is asked yet.
 * docs/DURABLE.md says what the parts mean.
 *
 * @throws MayflyError INVALID_ARGUMENT for another URL, or when the package for S3 is not installed; STORE_REFUSED when the folder
 * cannot be used
 */
export async function openObjectStore(url: string, options: OpenStoreOptions): Promise<ObjectStore> {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === "s3:") {
    const place = s3PlaceOf(parsed);
    const { openS3Store } = await import("./s3/s3-store.ts");
    return openS3Store(place, options);
  }
  if (parsed?.protocol === "file:") {
    const folder = folderOf(parsed);
    const { openFileStore } = await import("./files/file-store.ts");
    return openFileStore(folder, options);
  }
  throw wrongUrl(url, "an object store is s3://bucket/prefix or file:///folder");
}

function folderOf(url: URL): string {
  if (url.search !== "" || url.hash !== "") throw wrongUrl(url.href, "a folder has no parameters");
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw wrongUrl(url.href, "give the whole path of the folder: file:///folder", cause);
  }
}

function wrongUrl(url: string, why: string, cause?: unknown): MayflyError {
  const shown = url.replace(/\/\/[^/@]*@/, "//...@").slice(0, 200);
  return new MayflyError("INVALID_ARGUMENT", `${JSON.stringify(shown)} cannot be opened: ${why}.`, { cause });
}
