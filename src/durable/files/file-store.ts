/**
 * Objects in a folder: what a single machine has instead of S3. Calls look at their deadline between two steps, each of which is one
 * operation of the file system on at most 8 MiB: one that hangs there hangs the call.
 */
import { type FileHandle, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Rng } from "../../clock.ts";
import { MayflyError } from "../../errors.ts";
import { Limiter } from "../limiter.ts";
import { asPieces, checkName, checkPrefix, checkRange, doesNotFit } from "../object-name.ts";
import type {
  ObjectStore,
  StoreCall,
  StoreCounts,
  StoredObject,
  StoreGet,
  StoreList,
  StorePut,
} from "../object-store.ts";
import type { OpenStoreOptions } from "../open-store.ts";
import { piecesUntilAborted, SourceFailed } from "../or-aborted.ts";
import { RequestSlots } from "../request-slots.ts";
import { type OpenCall, reasonOf, StoreCalls } from "../store-calls.ts";
import type { AppendFile } from "./append-file.ts";
import { makeFolder, removeEmptyFolders } from "./durable-folder.ts";
import { fileError, isAbsent } from "./file-errors.ts";
import { listFolder, storedFile } from "./list-folder.ts";
import { pathOfName, temporaryFolder } from "./object-path.ts";
import { readRange } from "./read-file.ts";
import { removeLeftovers } from "./temporary-files.ts";
import { writeObject } from "./write-object.ts";

/** Operations of the file system at a time: Node does 4 of them in parallel. */
const concurrency = 8;
const stepBytes = 8 * 2 ** 20;
const readBytes = 1024 * 1024;
const getBytesMax = 4 * 2 ** 30;

/** @throws MayflyError STORE_REFUSED when the folder cannot be made or written */
export async function openFileStore(folder: string, options: OpenStoreOptions): Promise<ObjectStore> {
  const root = folder.replace(/(?<=.)\/+$/, "");
  try {
    await makeFolder(join(root, temporaryFolder));
    await removeLeftovers(root, options.clock);
  } catch (thrown) {
    throw fileError(`open the object store ${pathToFileURL(root).href}`, thrown, true);
  }
  return new FileStore(root, options);
}

class FileStore implements ObjectStore {
  readonly url: string;
  readonly #root: string;
  readonly #rng: Rng;
  readonly #calls: StoreCalls;
  readonly #slots: RequestSlots;
  readonly #counts: { -readonly [K in keyof StoreCounts]: number } = {
    ...{ puts: 0, gets: 0, heads: 0, lists: 0, deletes: 0 },
    ...{ bytesWritten: 0, bytesRead: 0, retries: 0, throttled: 0 },
  };

  constructor(root: string, { clock, rng }: OpenStoreOptions) {
    this.url = pathToFileURL(root).href;
    this.#root = root;
    this.#rng = rng;
    this.#calls = new StoreCalls(clock, this.url);
    const fixed = { concurrencyMin: concurrency, concurrencyMax: concurrency, concurrencyStart: concurrency };
    this.#slots = new RequestSlots(clock, new Limiter(fixed));
  }

  get counts(): StoreCounts {
    return { ...this.#counts };
  }

  async put(name: string, body: Uint8Array | readonly Uint8Array[], options: StorePut = {}): Promise<void> {
    checkName(name);
    await this.#within(`put ${name}`, options, (call) =>
      this.#write(name, call, options, async (file) =>
        this.#count("bytesWritten", await file.append(asPieces(body), call)),
      ),
    );
  }

  async upload(
    name: string,
    pieces: AsyncIterable<Uint8Array>,
    options: StorePut = {},
  ): Promise<{ readonly sizeBytes: number }> {
    checkName(name);
    const call = this.#calls.open(`upload ${name}`, options);
    try {
      const sizeBytes = await this.#write(name, call, options, async (file) => {
        let bytes = 0;
        call.pause();
        for await (const piece of piecesUntilAborted(pieces, call.signal)) {
          call.renew();
          const written = await this.#inSlot(call, () => file.append([piece], call));
          bytes += this.#count("bytesWritten", written);
          call.pause();
        }
        call.renew();
        return bytes;
      });
      return { sizeBytes };
    } catch (thrown) {
      throw thrown instanceof SourceFailed ? thrown.cause : thrown;
    } finally {
      call.end();
    }
  }

  async get(name: string, { range, into, ...options }: StoreGet = {}): Promise<Uint8Array> {
    checkName(name);
    checkRange(range);
    return this.#within(`get ${name}`, options, async (call) => {
      this.#count("gets", 1);
      const handle = await open(this.#pathOf(name), "r");
      try {
        const { start, end } = await cutToFile(handle, range);
        if (end - start > (into?.byteLength ?? getBytesMax)) {
          if (into !== undefined) throw doesNotFit(name, end - start, into);
          throw new MayflyError(
            "TOO_LARGE",
            `${call.what}: ${end - start} bytes are too many for one buffer; use read().`,
          );
        }
        const target =
          into?.subarray(0, end - start) ?? new Uint8Array(Buffer.allocUnsafeSlow(end - start).buffer);
        await this.#fill(handle, target, start, call);
        return target;
      } finally {
        await handle.close();
      }
    });
  }

  async *read(
    name: string,
    { range, ...options }: Omit<StoreGet, "into"> = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    checkName(name);
    checkRange(range);
    const call = this.#calls.open(`read ${name}`, options);
    let handle: FileHandle | undefined;
    try {
      this.#count("gets", 1);
      const opened = await this.#inSlot(call, () => open(this.#pathOf(name), "r"));
      handle = opened;
      const { start, end } = await cutToFile(opened, range);
      for (let at = start; at < end; at += readBytes) {
        const piece = Buffer.allocUnsafeSlow(Math.min(readBytes, end - at));
        await this.#inSlot(call, () => this.#fill(opened, piece, at, call));
        call.pause();
        yield piece;
        call.renew();
      }
    } catch (thrown) {
      throw fileError(call.what, thrown);
    } finally {
      call.end();
      await handle?.close();
    }
  }

  async stat(name: string, options: StoreCall = {}): Promise<StoredObject | undefined> {
    checkName(name);
    return this.#within(`stat ${name}`, options, () => {
      this.#count("heads", 1);
      return storedFile(this.#pathOf(name), name);
    });
  }

  async *list(prefix: string, options: StoreList = {}): AsyncGenerator<StoredObject, void, undefined> {
    checkPrefix(prefix);
    const call = this.#calls.open(`list ${prefix}*`, options);
    try {
      this.#count("lists", 1);
      for await (const stored of listFolder(this.#root, "", prefix, options.after)) {
        if (call.signal.aborted) throw reasonOf(call.signal);
        call.pause();
        yield stored;
        call.renew();
      }
    } catch (thrown) {
      throw fileError(call.what, thrown);
    } finally {
      call.end();
    }
  }

  async delete(names: readonly string[], options: StoreCall = {}): Promise<void> {
    for (const name of names) checkName(name);
    if (names.length === 0) return;
    const what = names.length === 1 ? names[0]! : `${names.length} objects`;
    await this.#within(`delete ${what}`, options, async (call) => {
      for (const name of names) {
        if (call.signal.aborted) throw reasonOf(call.signal);
        this.#count("deletes", 1);
        await this.#remove(name);
      }
    });
  }

  async copy(from: string, to: string, options: StorePut = {}): Promise<void> {
    checkName(from);
    checkName(to);
    await this.#within(`copy ${from} to ${to}`, options, async (call) => {
      const source = await open(this.#pathOf(from), "r");
      try {
        const { end } = await cutToFile(source, undefined);
        const piece = Buffer.allocUnsafeSlow(Math.min(stepBytes, end));
        await this.#write(to, call, options, async (file) => {
          for (let at = 0; at < end; at += piece.length) {
            const step = piece.subarray(0, Math.min(piece.length, end - at));
            await this.#fill(source, step, at, call);
            this.#count("bytesWritten", await file.append([step], call));
          }
          return end;
        });
      } finally {
        await source.close();
      }
    });
  }

  close(): void {
    this.#calls.close();
  }

  async #within<T>(action: string, options: StoreCall, work: (call: OpenCall) => Promise<T>): Promise<T> {
    return this.#calls.within(action, options, async (call) => {
      try {
        return await this.#inSlot(call, () => work(call));
      } catch (thrown) {
        throw fileError(call.what, thrown);
      }
    });
  }

  async #inSlot<T>(call: OpenCall, work: () => Promise<T>): Promise<T> {
    const giveBack = await this.#slots.take(call);
    try {
      return await work();
    } finally {
      giveBack({ outcome: "ok" });
    }
  }

  async #write(
    name: string,
    call: OpenCall,
    { ifAbsent = false }: StorePut,
    fill: (file: AppendFile) => Promise<number>,
  ): Promise<number> {
    this.#count("puts", 1);
    const target = { root: this.#root, rng: this.#rng, name, ifAbsent };
    return writeObject(target, call, fill).catch((thrown: unknown) => {
      throw thrown instanceof SourceFailed ? thrown : fileError(call.what, thrown, true);
    });
  }

  async #fill(handle: FileHandle, target: Uint8Array, start: number, call: OpenCall): Promise<void> {
    await readRange(handle, target, start, call);
    this.#count("bytesRead", target.byteLength);
  }

  async #remove(name: string): Promise<void> {
    const parts = pathOfName(name);
    try {
      await unlink(join(this.#root, ...parts));
    } catch (thrown) {
      if (isAbsent(thrown)) return;
      throw thrown;
    }
    await removeEmptyFolders(this.#root, parts.slice(0, -1));
  }

  #pathOf(name: string): string {
    return join(this.#root, ...pathOfName(name));
  }

  #count(what: keyof StoreCounts, by: number): number {
    this.#counts[what] += by;
    return by;
  }
}

async function cutToFile(
  handle: FileHandle,
  range: StoreGet["range"],
): Promise<{ readonly start: number; readonly end: number }> {
  const { size } = await handle.stat();
  const start = Math.min(range?.start ?? 0, size);
  return { start, end: Math.max(start, Math.min(range?.end ?? size, size)) };
}
