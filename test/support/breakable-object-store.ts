/** An object store in the memory of a test, which can break its calls. */
import type { ObjectStore, StoreCounts, StoredObject, StoreGet } from "../../src/durable/object-store.ts";
import { MayflyError } from "../../src/errors.ts";

export class BreakableObjectStore implements ObjectStore {
  readonly url = "memory://test";
  readonly objects = new Map<string, { readonly bytes: Buffer; readonly modifiedAtMs: number }>();
  /** Called before each call is carried out; what it throws the caller gets. */
  onCall: (call: string, name: string) => void | Promise<void> = () => undefined;
  now: () => number = () => 0;
  readonly #counts = {
    ...{ puts: 0, gets: 0, heads: 0, lists: 0, deletes: 0 },
    ...{ bytesWritten: 0, bytesRead: 0, retries: 0, throttled: 0 },
  };

  get counts(): StoreCounts {
    return this.#counts;
  }

  async put(name: string, body: Uint8Array | readonly Uint8Array[]): Promise<void> {
    this.#counts.puts += 1;
    await this.onCall("put", name);
    const bytes = Buffer.concat(body instanceof Uint8Array ? [body] : body);
    this.#counts.bytesWritten += bytes.length;
    this.objects.set(name, { bytes, modifiedAtMs: this.now() });
  }

  async upload(name: string, pieces: AsyncIterable<Uint8Array>): Promise<{ readonly sizeBytes: number }> {
    const parts: Uint8Array[] = [];
    for await (const piece of pieces) parts.push(Buffer.from(piece));
    await this.put(name, parts);
    return { sizeBytes: this.objects.get(name)!.bytes.length };
  }

  async get(name: string, { range, into }: StoreGet = {}): Promise<Uint8Array> {
    this.#counts.gets += 1;
    await this.onCall("get", name);
    const found = this.objects.get(name);
    if (found === undefined) throw new MayflyError("NOT_FOUND", `there is no ${name}`);
    const bytes = found.bytes.subarray(range?.start ?? 0, range?.end ?? found.bytes.length);
    this.#counts.bytesRead += bytes.length;
    if (into === undefined) return Buffer.from(bytes);
    into.set(bytes);
    return into.subarray(0, bytes.length);
  }

  async *read(name: string, options: Omit<StoreGet, "into"> = {}): AsyncIterable<Uint8Array> {
    yield await this.get(name, options);
  }

  async stat(name: string): Promise<StoredObject | undefined> {
    this.#counts.heads += 1;
    await this.onCall("stat", name);
    const found = this.objects.get(name);
    return found && { name, sizeBytes: found.bytes.length, modifiedAtMs: found.modifiedAtMs };
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    this.#counts.lists += 1;
    await this.onCall("list", prefix);
    for (const name of [...this.objects.keys()].filter((each) => each.startsWith(prefix)).sort()) {
      const { bytes, modifiedAtMs } = this.objects.get(name)!;
      yield { name, sizeBytes: bytes.length, modifiedAtMs };
    }
  }

  async delete(names: readonly string[]): Promise<void> {
    this.#counts.deletes += 1;
    for (const name of names) {
      await this.onCall("delete", name);
      this.objects.delete(name);
    }
  }

  async copy(from: string, to: string): Promise<void> {
    await this.put(to, await this.get(from));
  }

  /** Others may still use it. */
  close(): void {}
}
