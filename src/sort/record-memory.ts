/**
 * Layout of a record kernel's memory. The kernels have no static data: their tables come first, at fixed addresses,
 * and the caller's regions follow.
 *
 *           0  reserved, so that no region has address 0
 *          64  previousKey        16   key before a block, for the order check
 *         128  skewBinary        520   65 rows of 8 bytes
 *         704  skewAscii         520
 *        1280  crcScratch        512
 *        1792  crcTables      12,800
 *       16384  radixCounters   8,192
 *       24576  counts         16,384   4 bytes a partition
 *       40960  cursors        16,384
 *       57344  splits         40,950   10 bytes a split
 *       98304  bounds         65,536   16 bytes a split
 *      163840  prefixTable   131,074   2 bytes a 16-bit key prefix, and one more
 *      294976  states         16,528   16 bytes a state of the generator: of 1,024 records and the 9 behind them
 *      311552  places          4,096   4 bytes a record
 *      327680  the regions, each at a multiple of 64 bytes
 */
export const addresses = {
  previousKey: 64,
  skewBinary: 128,
  skewAscii: 704,
  crcScratch: 1280,
  crcTables: 1792,
  radixCounters: 16_384,
  counts: 24_576,
  cursors: 40_960,
  splits: 57_344,
  bounds: 98_304,
  prefixTable: 163_840,
  states: 294_976,
  places: 311_552,
  regions: 327_680,
} as const;

export const recordBytes = 100;
export const keyBytes = 10;
export const partitionsMax = 4096;

const pageBytes = 65_536;
const alignBytes = 64;

/** One page less than 4 GiB: the end of a region must be a 32-bit number too. */
export const memoryBytesMax = 65_535 * pageBytes;

export interface Region {
  /** Address of its first byte. */
  readonly at: number;
  readonly bytes: number;
}

export interface MemoryLayout<Name extends string> {
  readonly regions: { readonly [N in Name]: Region };
  /** Of the whole memory, tables included; a multiple of 64 KiB. */
  readonly memoryBytes: number;
}

/** Lays regions out one after another. RangeError when they do not fit one memory. */
export function layOut<Name extends string>(sizes: { readonly [N in Name]: number }): MemoryLayout<Name> {
  let end: number = addresses.regions;
  const entries: [string, Region][] = Object.entries<number>(sizes).map(([name, bytes]) => {
    if (!Number.isSafeInteger(bytes) || bytes < 0) throw new RangeError(`region ${name} of ${bytes} bytes`);
    const at = end;
    end = Math.ceil((at + bytes) / alignBytes) * alignBytes;
    return [name, { at, bytes }];
  });
  const memoryBytes = Math.ceil(end / pageBytes) * pageBytes;
  if (memoryBytes > memoryBytesMax) {
    throw new RangeError(
      `regions of ${end - addresses.regions} bytes do not fit a memory of ${memoryBytesMax} bytes`,
    );
  }
  return { regions: Object.fromEntries(entries) as { [N in Name]: Region }, memoryBytes };
}

/** What a map of `records` records needs: its input, its partitioned output, and the partition of each record. */
export function mapRegions(records: number): { input: number; output: number; ids: number } {
  return { input: records * recordBytes, output: records * recordBytes, ids: records * 2 };
}

/**
 * What a reduce of up to `records` records needs: the records, two arrays of entries for the sort, and an output
 * buffer of `outputBytes` that sorted records are gathered into.
 */
export function reduceRegions(
  records: number,
  outputBytes: number,
): { records: number; entries: number; scratch: number; output: number } {
  return {
    records: records * recordBytes,
    entries: records * 8,
    scratch: records * 8,
    output: outputBytes,
  };
}
