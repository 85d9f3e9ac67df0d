/**
 * Bytes of stored objects that were read lately. They are kept as they came, runs of blocks at a time, and the run that nobody has
 * used for longest goes first: to keep a part of a run would keep all of its memory.
 */
export const blockBytes: number = 64 * 1024;

/** Blocks of one object, one behind the other; the last one of an object may be short. */
export interface BlockRun {
  readonly name: string;
  readonly firstBlock: number;
  /** Memory of its own. */
  readonly bytes: Uint8Array;
}

interface Kept extends BlockRun {
  /** Of its blocks, those that no younger run has taken over. */
  blocks: number;
}

export class BlockCache {
  readonly #bytesMax: number;
  readonly #names = new Map<string, Map<number, Kept>>();
  /** The one that was used last is the last one. */
  readonly #runs = new Set<Kept>();
  #usedBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** The bytes of the block, which nobody may change. */
  get(name: string, block: number): Uint8Array | undefined {
    const run = this.#names.get(name)?.get(block);
    if (run === undefined) return undefined;
    this.#runs.delete(run);
    this.#runs.add(run);
    return blockOf(run, block);
  }

  /** Keeps the run, unless it is larger than all there is room for. */
  put(run: BlockRun): void {
    const { name, firstBlock, bytes } = run;
    const blocks = Math.ceil(bytes.length / blockBytes);
    if (blocks === 0 || bytes.length > this.#bytesMax) return;
    const kept: Kept = { ...run, blocks };
    for (let block = firstBlock; block < firstBlock + blocks; block++) {
      const older = this.#names.get(name)?.get(block);
      if (older !== undefined) this.#forget(older, block);
      let places = this.#names.get(name);
      if (places === undefined) {
        places = new Map();
        this.#names.set(name, places);
      }
      places.set(block, kept);
    }
    this.#runs.add(kept);
    this.#usedBytes += bytes.length;
    for (const oldest of this.#runs) {
      if (this.#usedBytes <= this.#bytesMax) break;
      this.#drop(oldest);
    }
  }

  /** Forgets all blocks of the objects with such names. */
  dropWhere(fits: (name: string) => boolean): void {
    for (const run of this.#runs) if (fits(run.name)) this.#drop(run);
  }

  #drop(run: Kept): void {
    const end = run.firstBlock + Math.ceil(run.bytes.length / blockBytes);
    for (let block = run.firstBlock; block < end; block++) {
      if (this.#names.get(run.name)?.get(block) === run) this.#forget(run, block);
    }
  }

  #forget(run: Kept, block: number): void {
    const places = this.#names.get(run.name);
    places?.delete(block);
    if (places?.size === 0) this.#names.delete(run.name);
    run.blocks -= 1;
    if (run.blocks > 0) return;
    this.#runs.delete(run);
    this.#usedBytes -= run.bytes.length;
  }
}

export function blockOf({ firstBlock, bytes }: BlockRun, block: number): Uint8Array {
  const at = (block - firstBlock) * blockBytes;
  return bytes.subarray(at, at + blockBytes);
}
