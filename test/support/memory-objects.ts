/** An object store in memory that can be told to fail: for tests of what uses one. */
import type { ObjectStore, StoredObject } from "../../src/durable/object-store.ts";
import { MayflyError } from "../../src/errors.ts";

export interface MemoryObjects extends ObjectStore {
  readonly objects: Map<string, Uint8Array>;
  /** Called before each operation; what it throws the operation rejects with. */
  before: (operation: "put" | "get" | "list" | "delete", name: string) => void | Promise<void>;
}

export function createMemoryObjects(): MemoryObjects {
  const objects = new Map<string, Uint8Array>();
  const joined = (body: Uint8Array | readonly Uint8Array[]): Uint8Array =>
    body instanceof Uint8Array ? Uint8Array.from(body) : Buffer.concat(body);
  const found = (name: string): Uint8Array => {
    const bytes = objects.get(name);
    if (bytes === undefined) throw new MayflyError("NOT_FOUND", `there is no ${name}`);
    return bytes;
  };
  const store: MemoryObjects = {
    objects,
    before: () => undefined,
    url: "file:///memory",
    async put(name, body, { ifAbsent = false } = {}) {
      await store.before("put", name);
      if (ifAbsent && objects.has(name)) throw new MayflyError("KEY_EXISTS", `${name} is there already`);
      objects.set(name, joined(body));
    },
    async upload(name, pieces, options = {}) {
      const all: Uint8Array[] = [];
      for await (const piece of pieces) all.push(Uint8Array.from(piece));
      await store.put(name, all, options);
      return { sizeBytes: found(name).length };
    },
    async get(name, { range, into } = {}) {
      await store.before("get", name);
      const bytes = found(name);
      const part = bytes.subarray(range?.start ?? 0, range?.end ?? bytes.length);
      if (into === undefined) return Uint8Array.from(part);
      into.set(part);
      return into.subarray(0, part.length);
    },
    async *read(name, options) {
      yield await store.get(name, options);
    },
    async stat(name) {
      const bytes = objects.get(name);
      return bytes && { name, sizeBytes: bytes.length, modifiedAtMs: 0 };
    },
    async *list(prefix): AsyncGenerator<StoredObject> {
      await store.before("list", prefix);
      for (const name of [...objects.keys()].filter((name) => name.startsWith(prefix)).sort()) {
        yield { name, sizeBytes: found(name).length, modifiedAtMs: 0 };
      }
    },
    async delete(names) {
      for (const name of names) {
        await store.before("delete", name);
        objects.delete(name);
      }
    },
    async copy(from, to) {
      await store.put(to, found(from));
    },
    counts: {
      ...{ puts: 0, gets: 0, heads: 0, lists: 0, deletes: 0, bytesWritten: 0, bytesRead: 0 },
      ...{ retries: 0, throttled: 0 },
    },
    close: () => undefined,
  };
  return store;
}
