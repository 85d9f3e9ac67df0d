/** Cuts a stream of pieces of any size into parts. Large pieces stay where they are; small ones are gathered, so that a part is not a million of them. */

const smallBytes = 16 * 1024;
const blockBytes = 256 * 1024;

export class PartCutter {
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #block: Uint8Array | undefined;
  #blockUsed = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes as much of the piece as is missing for a part of `partBytes`, and returns the rest. */
  add(piece: Uint8Array, partBytes: number): Uint8Array {
    const taken = Math.min(piece.byteLength, partBytes - this.#bytes);
    const head = piece.subarray(0, taken);
    if (taken >= smallBytes) this.#push(head);
    else if (taken > 0) this.#gather(head);
    this.#bytes += taken;
    return piece.subarray(taken);
  }

  /** What there is, as one part. */
  take(): readonly Uint8Array[] {
    this.#closeBlock();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#bytes = 0;
    return pieces;
  }

  #push(piece: Uint8Array): void {
    this.#closeBlock();
    this.#pieces.push(piece);
  }

  #gather(piece: Uint8Array): void {
    if (this.#block !== undefined && this.#blockUsed + piece.byteLength > this.#block.byteLength) {
      this.#closeBlock();
    }
    this.#block ??= new Uint8Array(blockBytes);
    this.#block.set(piece, this.#blockUsed);
    this.#blockUsed += piece.byteLength;
  }

  #closeBlock(): void {
    if (this.#block !== undefined && this.#blockUsed > 0)
      this.#pieces.push(this.#block.subarray(0, this.#blockUsed));
    this.#block = undefined;
    this.#blockUsed = 0;
  }
}
