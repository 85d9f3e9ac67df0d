/** An object store in memory that does what a test tells it to: be slow, be down, give wrong bytes. */
import type { ObjectStore, StoreCounts, StoredObject, StoreGet } from "../../src/durable/object-store.ts";
import { MayflyError } from "../../src/errors.ts";

export interface GetCall {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

export class MemoryObjectStore implements ObjectStore {
  readonly url = "file:///memory";
  readonly objects = new Map<string, Buffer>();
  /** All reads, in their order. */
  readonly reads: GetCall[] = [];
  /** Called before each read is answered; what it throws is the answer. */
  beforeGet: (call: GetCall, signal: AbortSignal | undefined) => Promise<void> | void = () => undefined;
  /** May change what is answered; the bytes are a copy. */
  damage: (bytes: Uint8Array, call: GetCall) => void = () => undefined;

  get counts(): StoreCounts {
    const none = { puts: 0, heads: 0, lists: 0, deletes: 0, bytesWritten: 0, retries: 0, throttled: 0 };
    const bytesRead = this.reads.reduce((sum, { start, end }) => sum + end - start, 0);
    return { ...none, gets: this.reads.length, bytesRead };
  }

  async put(name: string, body: Uint8Array | readonly Uint8Array[]): Promise<void> {
    this.objects.set(name, body instanceof Uint8Array ? Buffer.from(body) : Buffer.concat(body));
  }

  async upload(name: string, pieces: AsyncIterable<Uint8Array>): Promise<{ sizeBytes: number }> {
    const all: Uint8Array[] = [];
    for await (const piece of pieces) all.push(piece);
    await this.put(name, all);
    return { sizeBytes: this.objects.get(name)!.length };
  }

  async get(name: string, { range, into, signal, timeoutMs }: StoreGet = {}): Promise<Uint8Array> {
    const start = range?.start ?? 0;
    const call = { name, start, end: Math.min(range?.end ?? Number.POSITIVE_INFINITY, this.#sizeOf(name)) };
    this.reads.push(call);
    await Promise.race([this.beforeGet(call, signal), aborted(signal)]);
    const bytes = this.objects.get(name);
    if (bytes === undefined) throw new MayflyError("NOT_FOUND", `There is no object ${name}.`);
    if (start > bytes.length) throw new MayflyError("INVALID_ARGUMENT", `${name} ends before ${start}.`);
    if (timeoutMs !== undefined && !(timeoutMs > 0)) throw new MayflyError("INVALID_ARGUMENT", "no time");
    const found = Buffer.from(bytes.subarray(start, call.end));
    this.damage(found, call);
    if (into === undefined) return found;
    into.set(found);
    return into.subarray(0, found.length);
  }

  async *read(name: string, options: Omit<StoreGet, "into"> = {}): AsyncIterable<Uint8Array> {
    yield await this.get(name, options);
  }

  async stat(name: string): Promise<StoredObject | undefined> {
    return this.objects.has(name) ? { name, sizeBytes: this.#sizeOf(name), modifiedAtMs: 0 } : undefined;
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    for (const name of [...this.objects.keys()].sort())
      if (name.startsWith(prefix)) yield { name, sizeBytes: this.#sizeOf(name), modifiedAtMs: 0 };
  }

  async delete(names: readonly string[]): Promise<void> {
    for (const name of names) this.objects.delete(name);
  }

  async copy(from: string, to: string): Promise<void> {
    await this.put(to, await this.get(from));
  }

  close(): void {}

  #sizeOf(name: string): number {
    return this.objects.get(name)?.length ?? 0;
  }
}

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (): void => reject(new MayflyError("ABORTED", "The read was called off."));
    if (signal?.aborted === true) fail();
    signal?.addEventListener("abort", fail, { once: true });
  });
}
