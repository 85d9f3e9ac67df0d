import { emptyBuffer } from "./as-buffer.ts";
import { LF } from "./resp-types.ts";

const CARRY_BYTES_MIN = 256;
/** A carry above this is let go after its line: long lines are rare, connections are many. */
const CARRY_BYTES_KEPT = 4096;

/**
 * Reads bytes up to an LF. A line that lies within one chunk is handed out as a view of it; a line that is cut is
 * gathered in a carry that doubles, so each byte is moved a bounded number of times.
 */
export class TextLine {
  /** The LF has been read. */
  done = false;
  /**
   * The line without its LF is `source` from `start` to `end`: no view, for lines are short and many. Valid until
   * the next `reset`, and no longer than the chunk.
   */
  source: Buffer = emptyBuffer;
  start = 0;
  end = 0;
  #carry: Buffer = emptyBuffer;
  #carried = 0;

  reset(): void {
    this.done = false;
    this.source = emptyBuffer;
    this.#carried = 0;
    if (this.#carry.length > CARRY_BYTES_KEPT) this.#carry = emptyBuffer;
  }

  /** Consumes bytes up to and including the LF. Returns where it stopped, or -1 if over `bytesMax` come before it. */
  scan(chunk: Buffer, start: number, end: number, bytesMax: number): number {
    let at = start;
    const stop = Math.min(end, start + bytesMax - this.#carried + 1);
    while (at < stop && chunk[at] !== LF) at++;
    if (at === stop) {
      if (stop < end || this.#carried + at - start > bytesMax) return -1;
      this.#keep(chunk, start, at, bytesMax);
      return at;
    }
    if (this.#carried === 0) {
      this.source = chunk;
      this.start = start;
      this.end = at;
    } else {
      this.#keep(chunk, start, at, bytesMax);
      this.source = this.#carry;
      this.start = 0;
      this.end = this.#carried;
    }
    this.done = true;
    return at + 1;
  }

  #keep(chunk: Buffer, start: number, end: number, bytesMax: number): void {
    const needed = this.#carried + end - start;
    if (needed > this.#carry.length) {
      const grown = Math.max(CARRY_BYTES_MIN, needed, Math.min(bytesMax, 2 * this.#carry.length));
      const carry = Buffer.allocUnsafeSlow(grown);
      this.#carry.copy(carry, 0, 0, this.#carried);
      this.#carry = carry;
    }
    chunk.copy(this.#carry, this.#carried, start, end);
    this.#carried = needed;
  }
}
