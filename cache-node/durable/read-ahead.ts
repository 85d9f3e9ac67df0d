/**
 * Decides what to read ahead of those who ask: where requests follow one another in an object, and nowhere else, since a request too
 * many costs as much as one that is needed. What lies in another part of 4 MiB is asked of another node.
 */
import { spanGapBytesMax, storedPartBytes, storedPartOf } from "../../src/wire/stored-spans.ts";

/** Two that follow each other may do so by chance. */
const stepsMin = 2;
const windowBytesMin = 256 * 1024;
/** Parts that are watched; of those that are read at random few should still be known when they are read again. */
const partsMax = 128;

interface Part {
  start: number;
  end: number;
  /** Requests in a row that went on where the one before had ended. */
  steps: number;
  windowBytes: number;
  /** As far as was read ahead. */
  aheadTo: number;
}

export class ReadAhead {
  readonly #parts = new Map<string, Part>();

  /** Notes that the range was asked for. @returns what to read ahead, behind it in the same part; often nothing */
  note(
    name: string,
    start: number,
    end: number,
  ): { readonly start: number; readonly end: number } | undefined {
    const index = storedPartOf({ offset: start, length: end - start });
    const key = `${index} ${name}`;
    const part = this.#parts.get(key);
    this.#parts.delete(key);
    const follows = part !== undefined && start >= part.start && start <= part.end + spanGapBytesMax;
    if (!follows) {
      this.#keep(key, { start, end, steps: 0, windowBytes: windowBytesMin, aheadTo: end });
      return undefined;
    }
    this.#keep(key, part);
    if (end <= part.end) return undefined;
    part.steps += 1;
    part.end = end;
    const from = Math.max(part.aheadTo, end);
    if (part.steps < stepsMin || from - end >= part.windowBytes) return undefined;
    const to = Math.min((index + 1) * storedPartBytes, from + 2 * part.windowBytes);
    if (to <= from) return undefined;
    part.windowBytes = Math.min(storedPartBytes, part.windowBytes * 2);
    part.aheadTo = to;
    return { start: from, end: to };
  }

  #keep(key: string, part: Part): void {
    this.#parts.set(key, part);
    const [oldest] = this.#parts.keys();
    if (this.#parts.size > partsMax && oldest !== undefined) this.#parts.delete(oldest);
  }
}
