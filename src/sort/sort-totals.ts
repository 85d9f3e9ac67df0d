/** Puts what the reducers found together, and checks what only the whole can show: order across partitions. */
import type { ReduceResult } from "./sort-events.ts";

export interface SortTotals {
  readonly records: number;
  /** As valsort prints it: the sum of all CRC32s in hex, without padding. */
  readonly checksum: string;
  readonly duplicateKeys: number;
  readonly ordered: boolean;
  /** Hex; empty when nothing was sorted. */
  readonly firstKey: string;
  readonly lastKey: string;
}

/** @param results in any order, one a partition */
export function totalsOf(results: readonly ReduceResult[]): SortTotals {
  const filled = [...results].sort((a, b) => a.partition - b.partition).filter(({ records }) => records > 0);
  let ordered = true;
  let duplicateKeys = 0;
  let checksum = 0n;
  let previous = "";
  for (const result of filled) {
    if (previous !== "" && result.firstKey < previous) ordered = false;
    duplicateKeys += result.duplicateKeys + (result.firstKey === previous ? 1 : 0);
    checksum += BigInt(result.checksum);
    previous = result.lastKey;
  }
  return {
    records: filled.reduce((sum, { records }) => sum + records, 0),
    checksum: BigInt.asUintN(128, checksum).toString(16),
    ...{ duplicateKeys, ordered },
    firstKey: filled[0]?.firstKey ?? "",
    lastKey: previous,
  };
}
