import { emptyBuffer } from "./as-buffer.ts";

/** Below this a loop beats the call into the runtime. */
const LOOP_COPY_BYTES_MAX = 32;

/**
 * The bulk string that is being received: where it goes and how much is still to come. The bytes arrive in chunks
 * that are copied (`take`), or are read by the socket straight into their place (`directTarget`, `directReceived`).
 */
export class BodyReceiver {
  #target: Uint8Array | undefined;
  #received = 0;
  #left = 0;

  /** The next `target.length` bytes go into `target`. */
  receive(target: Uint8Array): void {
    this.#target = target;
    this.#received = 0;
    this.#left = target.length;
  }

  /** The next `length` bytes go nowhere. */
  skip(length: number): void {
    this.#target = undefined;
    this.#received = 0;
    this.#left = length;
  }

  /** Bytes still to come. */
  get left(): number {
    return this.#left;
  }

  /** Consumes what belongs to the body from a chunk; returns the position after it. */
  take(chunk: Buffer, at: number, end: number): number {
    const count = Math.min(this.#left, end - at);
    const target = this.#target;
    if (target !== undefined) {
      const to = this.#received;
      if (count <= LOOP_COPY_BYTES_MAX) for (let i = 0; i < count; i++) target[to + i] = chunk[at + i]!;
      else chunk.copy(target, to, at, at + count);
    }
    this.#received += count;
    this.#left -= count;
    return at + count;
  }

  /** Where the socket may read to next, if at least `bytesMin` are missing and wanted. */
  directTarget(bytesMin: number): Uint8Array | undefined {
    if (this.#target === undefined || this.#left < bytesMin) return undefined;
    return this.#target.subarray(this.#received);
  }

  /** The socket has put `count` bytes into the last direct target. */
  directReceived(count: number): void {
    if (!Number.isInteger(count) || count < 0 || count > this.#left) {
      throw new RangeError(`${count} bytes reported as received, ${this.#left} are missing`);
    }
    this.#received += count;
    this.#left -= count;
  }

  /** If `target` is the one being received into: what is still to come goes nowhere. Says whether it was. */
  abandon(target: Uint8Array): boolean {
    if (this.#target !== target || this.#left === 0) return false;
    this.#target = undefined;
    return true;
  }

  /** The whole body, once nothing is left, or nothing if it was skipped or abandoned. Lets go of the memory. */
  finish(): Uint8Array {
    const target = this.#target;
    this.#target = undefined;
    return target ?? emptyBuffer;
  }
}
