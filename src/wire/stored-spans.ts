/** How ranges of stored objects are asked for: a request to the store is dear, bytes beside those that are wanted are cheap. */

/** Each part of so many bytes of a stored object is asked of one node, so that what nodes keep in memory is of use. */
export const storedPartBytes: number = 4 * 1024 * 1024;
/** What lies between two ranges is read, too, up to here: a request takes as long as so many bytes. */
export const spanGapBytesMax: number = 256 * 1024;

export interface StoredRange {
  readonly name: string;
  readonly offset: number;
  readonly length: number;
}

/** Ranges that are read with one request. */
export interface StoredSpan<T extends StoredRange = StoredRange> extends StoredRange {
  readonly ranges: readonly T[];
}

/** The part that a range counts to: the one with its middle. */
export function storedPartOf({ offset, length }: Omit<StoredRange, "name">): number {
  return Math.floor((offset + length / 2) / storedPartBytes);
}

/**
 * Joins ranges of the same object that overlap, touch, or have little between them, to spans of up to `spanBytesMax`; a range that
 * is longer is a span by itself. Sorted by name and offset.
 */
export function coalesce<T extends StoredRange>(
  ranges: readonly T[],
  gapBytesMax: number = spanGapBytesMax,
  spanBytesMax: number = storedPartBytes,
): StoredSpan<T>[] {
  const sorted = [...ranges].sort((a, b) =>
    a.name === b.name ? a.offset - b.offset || a.length - b.length : a.name < b.name ? -1 : 1,
  );
  const spans: { name: string; offset: number; length: number; ranges: T[] }[] = [];
  for (const range of sorted) {
    const last = spans.at(-1);
    const end = range.offset + range.length;
    if (last !== undefined && last.name === range.name) {
      const length = Math.max(last.length, end - last.offset);
      const gap = range.offset - (last.offset + last.length);
      if (gap <= gapBytesMax && length <= Math.max(spanBytesMax, last.length)) {
        last.length = length;
        last.ranges.push(range);
        continue;
      }
    }
    spans.push({ name: range.name, offset: range.offset, length: range.length, ranges: [range] });
  }
  return spans;
}
