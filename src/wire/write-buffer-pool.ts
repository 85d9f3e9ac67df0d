/**
 * Output buffers of one size, shared by the writers of one process or server: a connection with nothing to send
 * holds none, and memory that is warm is used again.
 */
export class WriteBufferPool {
  readonly bufferBytes: number;
  readonly #sparesMax: number;
  readonly #spares: Buffer[] = [];

  /** Keeps at most `sparesMax` buffers of `bufferBytes` when nobody uses them. */
  constructor(bufferBytes: number = 64 * 1024, sparesMax: number = 16) {
    if (!(Number.isInteger(bufferBytes) && bufferBytes >= 64)) {
      throw new RangeError(`write buffers of ${bufferBytes} bytes; at least 64 are needed for a header`);
    }
    this.bufferBytes = bufferBytes;
    this.#sparesMax = sparesMax;
  }

  take(): Buffer {
    return this.#spares.pop() ?? Buffer.allocUnsafeSlow(this.bufferBytes);
  }

  /** The caller gives its only reference to a buffer that nobody reads any more. */
  give(buffer: Buffer): void {
    if (this.#spares.length < this.#sparesMax) this.#spares.push(buffer);
  }
}
