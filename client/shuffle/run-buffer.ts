/** Records as a map writes them, until there are enough for a run: then sorted by partition, in one pass over the bytes. */

/** What is in a run: its bytes in the order of the partitions, and of each partition how many bytes and records. */
export interface Run {
  readonly bytes: Uint8Array;
  readonly lengths: Float64Array;
  readonly records: Float64Array;
}

const firstBytes = 256 * 1024;
const firstEntries = 1024;
/** A run ends with so many records, however small: they cost 8 bytes each beside their own. */
const entriesMax = 4 * 1024 * 1024;

export class RunBuffer {
  readonly #partitions: number;
  readonly #bytesMax: number;
  #arena = Buffer.allocUnsafeSlow(0);
  #sorted = Buffer.allocUnsafeSlow(0);
  #used = 0;
  /** Partition and length of each record. */
  #entries = new Uint32Array(0);
  #count = 0;

  constructor(partitions: number, bytesMax: number) {
    this.#partitions = partitions;
    this.#bytesMax = bytesMax;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Copies a record; false when the run has to leave before. One that is larger than a whole run is a run by itself. */
  add(partition: number, record: Uint8Array): boolean {
    const end = this.#used + record.length;
    if (this.#count > 0 && (end > this.#bytesMax || this.#count === entriesMax)) return false;
    if (end > this.#arena.length) this.#growArena(end);
    if ((this.#count + 1) * 2 > this.#entries.length) this.#growEntries();
    this.#arena.set(record, this.#used);
    this.#used = end;
    this.#entries[this.#count * 2] = partition;
    this.#entries[this.#count * 2 + 1] = record.length;
    this.#count += 1;
    return true;
  }

  /** The run, whose bytes stay as they are until the next one is taken; the buffer is empty then. */
  take(): Run {
    const [lengths, records] = [new Float64Array(this.#partitions), new Float64Array(this.#partitions)];
    for (let i = 0; i < this.#count; i++) {
      const partition = this.#entries[i * 2]!;
      lengths[partition]! += this.#entries[i * 2 + 1]!;
      records[partition]! += 1;
    }
    const places = new Float64Array(this.#partitions);
    for (let partition = 1; partition < this.#partitions; partition++) {
      places[partition] = places[partition - 1]! + lengths[partition - 1]!;
    }
    if (this.#sorted.length < this.#used) this.#sorted = Buffer.allocUnsafeSlow(this.#arena.length);
    let at = 0;
    for (let i = 0; i < this.#count; i++) {
      const partition = this.#entries[i * 2]!;
      const length = this.#entries[i * 2 + 1]!;
      this.#arena.copy(this.#sorted, places[partition]!, at, at + length);
      places[partition]! += length;
      at += length;
    }
    const bytes = this.#sorted.subarray(0, this.#used);
    this.#used = 0;
    this.#count = 0;
    return { bytes, lengths, records };
  }

  #growArena(bytes: number): void {
    const wanted = Math.max(bytes, Math.min(this.#bytesMax, Math.max(firstBytes, 2 * this.#arena.length)));
    const grown = Buffer.allocUnsafeSlow(wanted);
    this.#arena.copy(grown, 0, 0, this.#used);
    this.#arena = grown;
  }

  #growEntries(): void {
    const grown = new Uint32Array(Math.max(2 * firstEntries, 2 * this.#entries.length));
    grown.set(this.#entries);
    this.#entries = grown;
  }
}
