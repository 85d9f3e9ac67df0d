import { CR, LF } from "./resp-types.ts";

const ZERO = 48;
const PLUS = 43;
const MINUS = 45;

/** So many decimal digits are always exact in a double. */
const HIGH_DIGITS = 15;
const INT64_DIGITS = 19;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/**
 * Reads `[-]digits CR LF`, resumable at every byte and without memory of its own. Accepts what Redis does: plain
 * decimal, no leading zeros, no `-0`, at most 19 digits.
 */
export class NumberLine {
  /** The LF has been read. */
  done = false;
  /** The first digits; the others, if any, are in `#low`. */
  #high = 0;
  #low = 0;
  #digits = 0;
  #negative = false;
  #signed = false;
  #plusAllowed = false;
  #sawCr = false;

  /** Starts over. RESP3 allows a `+` before integers, not before lengths. */
  reset(plusAllowed: boolean): void {
    this.done = false;
    this.#high = 0;
    this.#low = 0;
    this.#digits = 0;
    this.#negative = false;
    this.#signed = false;
    this.#plusAllowed = plusAllowed;
    this.#sawCr = false;
  }

  /** Consumes bytes up to and including the LF. Returns where it stopped, or -1 if this is not such a line. */
  scan(chunk: Uint8Array, start: number, end: number): number {
    for (let at = start; at < end; ) {
      const byte = chunk[at++]!;
      const digit = byte - ZERO;
      if (digit >= 0 && digit <= 9) {
        if (this.#sawCr || (this.#digits === 1 && this.#high === 0)) return -1;
        if (++this.#digits <= HIGH_DIGITS) this.#high = this.#high * 10 + digit;
        else if (this.#digits <= INT64_DIGITS) this.#low = this.#low * 10 + digit;
        else return -1;
      } else if (byte === CR) {
        if (this.#sawCr || this.#digits === 0 || (this.#negative && this.#high === 0)) return -1;
        this.#sawCr = true;
      } else if (byte === LF) {
        if (!this.#sawCr) return -1;
        this.done = true;
        return at;
      } else {
        const sign = byte === MINUS || (byte === PLUS && this.#plusAllowed);
        if (!sign || this.#signed || this.#digits > 0) return -1;
        this.#signed = true;
        this.#negative = byte === MINUS;
      }
    }
    return end;
  }

  /** As a number: exact where lengths are allowed to be, rounded beyond 15 digits, which no limit admits. */
  get approximate(): number {
    const low = this.#digits - HIGH_DIGITS;
    const value = low <= 0 ? this.#high : this.#high * 10 ** low + this.#low;
    return this.#negative ? -value : value;
  }

  /** Exact: a number where it is safe, else a bigint; undefined outside of 64 bits. */
  get integer(): number | bigint | undefined {
    if (this.#digits <= HIGH_DIGITS) return this.#negative ? -this.#high : this.#high;
    const power = 10n ** BigInt(this.#digits - HIGH_DIGITS);
    const magnitude = BigInt(this.#high) * power + BigInt(this.#low);
    const value = this.#negative ? -magnitude : magnitude;
    if (value < INT64_MIN || value > INT64_MAX) return undefined;
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
}
