/**
 * GF(2^8) with polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11d) and generator 2: the field of ISA-L and of RAID-6.
 * Elements are integers 0 .. 255; addition is XOR. Used to plan repairs and by the reference, not on the data path.
 */

const exp = new Uint8Array(510);
const log = new Uint8Array(256);
for (let i = 0, x = 1; i < 255; i++) {
  exp[i] = x;
  exp[i + 255] = x;
  log[x] = i;
  x = (x << 1) ^ (x & 0x80 ? 0x11d : 0);
}

export function mul(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : exp[log[a]! + log[b]!]!;
}

/** Multiplicative inverse of `a`, which must not be 0. */
export function inv(a: number): number {
  if (a === 0) throw new RangeError("0 has no inverse");
  return exp[255 - log[a]!]!;
}

/** 2^n for any integer n >= 0. */
export function pow2(n: number): number {
  return exp[n % 255]!;
}

export type Matrix = readonly (readonly number[])[];

/** Inverse of a square matrix (Gauss-Jordan). Throws a RangeError when it is singular. */
export function invert(matrix: Matrix): Matrix {
  const size = matrix.length;
  const rows = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  for (let c = 0; c < size; c++) {
    const pivot = rows.findIndex((row, i) => i >= c && row[c] !== 0);
    if (pivot < 0) throw new RangeError("singular matrix");
    [rows[c], rows[pivot]] = [rows[pivot]!, rows[c]!];
    const scale = inv(rows[c]![c]!);
    const unit = rows[c]!.map((value) => mul(value, scale));
    rows[c] = unit;
    for (let i = 0; i < size; i++) {
      const factor = rows[i]![c]!;
      if (i !== c && factor !== 0) rows[i] = rows[i]!.map((value, j) => value ^ mul(factor, unit[j]!));
    }
  }
  return rows.map((row) => row.slice(size));
}
