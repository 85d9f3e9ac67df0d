/**
 * A map that is walked in the order of its names, from any name on: what the pages of a hash or a set need, however it
 * changes between them. Chunks of sorted names, so that no step takes longer than a chunk is long.
 */
interface Chunk<T> {
  readonly names: string[];
  readonly items: T[];
}

const chunkNamesMax = 256;

export class SortedItems<T> {
  /** None is empty, but for the only one of an empty map. */
  readonly #chunks: Chunk<T>[] = [{ names: [], items: [] }];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(name: string): boolean {
    const { names } = this.#chunkOf(name);
    return names[placeIn(names, name)] === name;
  }

  get(name: string): T | undefined {
    const { names, items } = this.#chunkOf(name);
    const place = placeIn(names, name);
    return names[place] === name ? items[place] : undefined;
  }

  /** What was there before. */
  set(name: string, item: T): T | undefined {
    const at = this.#chunkAt(name);
    const { names, items } = this.#chunks[at]!;
    const place = placeIn(names, name);
    if (names[place] === name) {
      const before = items[place];
      items[place] = item;
      return before;
    }
    names.splice(place, 0, name);
    items.splice(place, 0, item);
    this.#size += 1;
    // What is appended in order fills its chunks.
    const isLast = at === this.#chunks.length - 1 && place === names.length - 1;
    if (names.length > chunkNamesMax) this.#split(at, isLast ? chunkNamesMax : chunkNamesMax / 2);
    return undefined;
  }

  /** What was there. */
  delete(name: string): T | undefined {
    const at = this.#chunkAt(name);
    const { names, items } = this.#chunks[at]!;
    const place = placeIn(names, name);
    if (names[place] !== name) return undefined;
    names.splice(place, 1);
    this.#size -= 1;
    const [item] = items.splice(place, 1);
    if (names.length === 0 && this.#chunks.length > 1) this.#chunks.splice(at, 1);
    return item;
  }

  /** All that come after a name, in the order of their bytes; from the first on behind "". Not to be changed meanwhile. */
  *after(name: string): Iterable<readonly [string, T]> {
    for (let at = this.#chunkAt(name); at < this.#chunks.length; at++) {
      const { names, items } = this.#chunks[at]!;
      let place = placeIn(names, name);
      if (names[place] === name) place += 1;
      for (; place < names.length; place++) yield [names[place]!, items[place]!];
    }
  }

  #chunkOf(name: string): Chunk<T> {
    return this.#chunks[this.#chunkAt(name)]!;
  }

  /** The last chunk that does not begin behind the name; the first one if all do. */
  #chunkAt(name: string): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#chunks[middle]!.names[0]! <= name) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #split(at: number, keep: number): void {
    const { names, items } = this.#chunks[at]!;
    this.#chunks.splice(at + 1, 0, { names: names.splice(keep), items: items.splice(keep) });
  }
}

/** Where the name is among sorted ones, or would be. */
function placeIn(names: readonly string[], name: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (names[middle]! < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
