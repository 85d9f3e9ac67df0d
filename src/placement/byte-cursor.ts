/**
 * Bounded reading and writing of small binary records: the map, tickets. Integers are unsigned LEB128 varints of at
 * most 32 bits unless a method says otherwise; fixed-width ones are little-endian. Texts are UTF-8 behind a length byte.
 */

/** Says what is wrong with the bytes; the codec that reads turns it into its own MayflyError. */
export class MalformedBytes extends Error {
  override readonly name = "MalformedBytes";
}

export const textBytesMax = 255;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Never reads past the end, and never trusts a length before it has compared it with what is left. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** A view of the next `length` bytes. */
  take(length: number, what: string): Uint8Array {
    if (length > this.left) {
      throw new MalformedBytes(`${what} needs ${length} bytes and ${this.left} are left`);
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  u8(what: string): number {
    if (this.#at >= this.#bytes.length) throw new MalformedBytes(`${what} needs 1 byte and none is left`);
    return this.#bytes[this.#at++]!;
  }

  u16(what: string): number {
    const low = this.u8(what);
    return low | (this.u8(what) << 8);
  }

  /** A varint of at most `max`, itself below 2^32. */
  varint(max: number, what: string): number {
    let value = 0;
    for (let place = 1; ; place *= 128) {
      const byte = this.u8(what);
      value += (byte & 0x7f) * place;
      if (value > max) throw new MalformedBytes(`${what} is above ${max}`);
      if (byte < 0x80) return value;
      if (place >= 2 ** 28) throw new MalformedBytes(`${what} is a number of more than 5 bytes`);
    }
  }

  text(what: string): string {
    const bytes = this.take(this.u8(what), what);
    try {
      return utf8.decode(bytes);
    } catch {
      throw new MalformedBytes(`${what} is not UTF-8`);
    }
  }

  /** To be called last: bytes nobody asked for mean that the two sides disagree. */
  end(): void {
    if (this.left > 0) throw new MalformedBytes(`${this.left} bytes follow the end`);
  }
}

/** Grows as needed. Arguments out of range are programmers' mistakes: RangeError. */
export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  /** @param expectedBytes room for so much from the beginning */
  constructor(expectedBytes = 256) {
    this.#bytes = new Uint8Array(expectedBytes);
  }

  bytes(bytes: Uint8Array): this {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  u8(value: number): this {
    if (!Number.isInteger(value) || value < 0 || value > 0xff) throw new RangeError(`${value} is not a byte`);
    const at = this.#reserve(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    if (!Number.isInteger(value) || value < 0 || value > 0xffff)
      throw new RangeError(`${value} is not 16 bits`);
    return this.u8(value & 0xff).u8(value >>> 8);
  }

  varint(value: number): this {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32)
      throw new RangeError(`${value} is not 32 bits`);
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) this.u8((rest % 128) | 0x80);
    return this.u8(rest);
  }

  text(value: string): this {
    const bytes = Buffer.from(value, "utf8");
    if (bytes.length > textBytesMax) {
      throw new RangeError(`a text of ${bytes.length} bytes is longer than ${textBytesMax}`);
    }
    return this.u8(bytes.length).bytes(bytes);
  }

  /** What was written; to be called last. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Makes room and returns where it starts; `#bytes` may be another array afterwards. */
  #reserve(length: number): number {
    const start = this.#length;
    this.#length += length;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, start));
      this.#bytes = grown;
    }
    return start;
  }
}
