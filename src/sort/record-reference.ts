/**
 * The record operations in plain TypeScript: slow, short, and what the kernels are held against by tests. Formulas
 * and vectors: test/vectors/gensort.json (facts of gensort 1.5).
 */

const multiplier = 0x2360ed051fc65da44385df649fccf645n;
const increment = 0x4a696d47726179524950202020202001n;
const mask128 = 2n ** 128n - 1n;
const mask64 = 2n ** 64n - 1n;

/** What fields 1 to 9 of a binary record are XORed with. */
const fieldMasks = [
  0n,
  0xf0e8e4e2e1d8d4d2d1ccn,
  0xcac9c6c5c3b8b4b2b1acn,
  0xaaa9a6a5a39c9a999695n,
  0x938e8d8b87787472716cn,
  0x6a696665635c5a595655n,
  0x534e4d4b473c3a393635n,
  0x332e2d2b271e1d1b170fn,
  0xc8c4c2c1989492918ce0n,
  0x170f332e2d2b271e1d1bn,
];

/** x[steps], from x[0] = 0: squares the map `x -> a x + c` for each bit of `steps`. */
function stateAt(steps: bigint): bigint {
  let [a, c, x] = [multiplier, increment, 0n];
  for (let left = steps; left > 0n; left >>= 1n) {
    if (left & 1n) x = (a * x + c) & mask128;
    c = (a * c + c) & mask128;
    a = (a * a) & mask128;
  }
  return x;
}

const base95 = (value: bigint, digits: number): string =>
  Array.from({ length: digits }, (_, i) =>
    String.fromCharCode(32 + Number((value / 95n ** BigInt(i)) % 95n)),
  ).join("");

function binaryRecord(number: bigint): Buffer {
  let x = stateAt(number);
  const fields = fieldMasks.map((mask) => {
    x = (multiplier * x + increment) & mask128;
    return ((x >> 48n) ^ mask).toString(16).padStart(20, "0");
  });
  return Buffer.from(fields.join(""), "hex");
}

function asciiRecord(number: bigint): Buffer {
  const x = stateAt(number + 1n);
  const hex = (value: bigint, digits: number): string =>
    value.toString(16).toUpperCase().padStart(digits, "0");
  const filler = hex(x & (2n ** 52n - 1n), 13).replaceAll(/./g, (digit) => digit.repeat(4));
  const key = base95(x >> 64n, 8) + base95(x & mask64, 2);
  return Buffer.from(`${key}  ${hex(number, 32)}  ${filler}\r\n`, "latin1");
}

/** One record of the sort-benchmark generator, any number. */
export function referenceRecord(
  number: number | bigint,
  format: { ascii?: boolean; skew?: boolean } = {},
): Uint8Array {
  const recordNumber = BigInt(number);
  const make = format.ascii ? asciiRecord : binaryRecord;
  const record = make(recordNumber);
  if (!format.skew) return record;
  const rowNumber = recordNumber === 0n ? 0 : recordNumber.toString(2).length;
  const row = make(BigInt(rowNumber));
  const chance = Number((stateAt(recordNumber + 1n) >> 32n) & 63n);
  const bits = format.ascii ? (chance & 7) * 8 : chance;
  if (bits > 48) return record;
  for (let i = 0; i < 6; i++) {
    const fromRow = Math.min(8, Math.max(0, bits - i * 8));
    const keep = 0xff >> fromRow;
    record[i] = (row[i]! & ~keep) | (record[i]! & keep);
  }
  return record;
}

/** Records `first` .. `first + count - 1`, one after another. */
export function referenceRecords(
  first: number,
  count: number,
  format: { ascii?: boolean; skew?: boolean } = {},
): Uint8Array {
  return Buffer.concat(Array.from({ length: count }, (_, i) => referenceRecord(first + i, format)));
}

const split = (records: Uint8Array): Uint8Array[] =>
  Array.from({ length: records.length / 100 }, (_, i) => records.subarray(i * 100, (i + 1) * 100));

const compareKeys = (a: Uint8Array, b: Uint8Array): number =>
  Buffer.compare(a.subarray(0, 10), b.subarray(0, 10));

/** Sum of the CRC32 (zlib) of each record. */
export function referenceChecksum(records: Uint8Array): bigint {
  let sum = 0n;
  for (const record of split(records)) {
    let crc = 0xffffffff;
    for (const byte of record) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
    sum += BigInt(~crc >>> 0);
  }
  return sum;
}

/** The records of each partition, in input order: a record's partition is the number of splits at most its key. */
export function referencePartition(records: Uint8Array, splits: Uint8Array): Uint8Array[] {
  const bounds = Array.from({ length: splits.length / 10 }, (_, i) => splits.subarray(i * 10, (i + 1) * 10));
  const partitions: Uint8Array[][] = Array.from({ length: bounds.length + 1 }, () => []);
  for (const record of split(records)) {
    partitions[bounds.filter((bound) => compareKeys(bound, record) <= 0).length]!.push(record);
  }
  return partitions.map((list) => Buffer.concat(list));
}

/** The records in order of their keys; equal keys stay in input order. */
export function referenceSort(records: Uint8Array): Uint8Array {
  return Buffer.concat(split(records).sort(compareKeys));
}
