/**
 * What a store of keys and values needs to know beside the blocks: of each map which runs it wrote, and of each run how long the
 * blocks are and how many records they have. Stored with the commit of a map, and read once by each client.
 *
 * One run behind the other; of each run, for each partition, u32 bytes and u32 records, little-endian.
 */

/** A block, and where it lies. */
export interface BlockPlace {
  readonly map: number;
  readonly run: number;
  readonly partition: number;
  /** In the run. */
  readonly offset: number;
  readonly bytes: number;
  readonly records: number;
}

const entryBytes = 8;

/** The index of one map, while it is written. */
export class IndexWriter {
  readonly #runs: Buffer[] = [];

  /** The blocks of the next run. */
  add(map: number, lengths: ArrayLike<number>, records: ArrayLike<number>): BlockPlace[] {
    const run = Buffer.alloc(lengths.length * entryBytes);
    const places: BlockPlace[] = [];
    let offset = 0;
    for (let partition = 0; partition < lengths.length; partition++) {
      const [bytes, count] = [lengths[partition]!, records[partition]!];
      run.writeUInt32LE(bytes, partition * entryBytes);
      run.writeUInt32LE(count, partition * entryBytes + 4);
      places.push({ map, run: this.#runs.length, partition, offset, bytes, records: count });
      offset += bytes;
    }
    this.#runs.push(run);
    return places;
  }

  encode(): Buffer {
    return this.#runs.length === 1 ? this.#runs[0]! : Buffer.concat(this.#runs);
  }
}

/** Of all maps. Read when it is first asked for, and again if not all maps had committed. */
export class BlockIndex {
  readonly #partitions: number;
  readonly #read: () => Promise<readonly Buffer[]>;
  /** By partition. */
  #places: Promise<readonly (readonly BlockPlace[])[]> | undefined;

  /** @param read what was encoded, by map; rejects when a map has not committed */
  constructor(partitions: number, read: () => Promise<readonly Buffer[]>) {
    this.#partitions = partitions;
    this.#read = read;
  }

  /** The blocks of a partition that hold anything. */
  async blocksOf(partition: number): Promise<readonly BlockPlace[]> {
    this.#places ??= this.#read().then((maps) => this.#placesOf(maps));
    try {
      return (await this.#places)[partition] ?? [];
    } catch (thrown) {
      this.#places = undefined;
      throw thrown;
    }
  }

  #placesOf(maps: readonly Buffer[]): BlockPlace[][] {
    const places = Array.from({ length: this.#partitions }, (): BlockPlace[] => []);
    for (const [map, index] of maps.entries()) {
      let offset = 0;
      for (let at = 0; at < index.length; at += entryBytes) {
        const entry = at / entryBytes;
        const [run, partition] = [Math.floor(entry / this.#partitions), entry % this.#partitions];
        if (partition === 0) offset = 0;
        const [bytes, records] = [index.readUInt32LE(at), index.readUInt32LE(at + 4)];
        if (bytes > 0 || records > 0)
          places[partition]!.push({ map, run, partition, offset, bytes, records });
        offset += bytes;
      }
    }
    return places;
  }
}
