/**
 * The bytes of one partition on their way to the output file. What comes is written in large aligned blocks past the page cache, where
 * the file system can do that: to copy a gigabyte into pages that nobody will read costs more than to sort it. Only
 * the ends of a partition, which share a block of the disk with its neighbours, go through the cache.
 */
import { constants, type FileHandle, open } from "node:fs/promises";
import { MayflyError } from "../errors.ts";
import type { Region } from "./record-memory.ts";

/** What disks and file systems want the place in memory, the place in the file and the length to be multiples of. */
export const outputAlignBytes = 4096;

/** Takes bytes in two blocks of a region of memory by turns: one is filled while the other is being written. */
export class OutputBlocks {
  readonly #memory: Uint8Array;
  readonly #bases: readonly [number, number];
  readonly #path: string;
  #plain: FileHandle | undefined;
  #direct: FileHandle | undefined;
  #block: 0 | 1 = 0;
  /** Where in the file the block begins. */
  #position: number;
  /** Bytes of the block that are taken. */
  #filled: number;
  /** Bytes at the beginning of the block that are not ours. */
  #lead: number;
  #writing: Promise<void> | undefined;
  /** What `take` may be told at a time. */
  readonly bytesMax: number;

  /**
   * @param region of `memory`, whose first byte lies on a page
   * @param offset of the first byte in the file
   */
  private constructor(memory: Uint8Array, region: Region, path: string, offset: number) {
    const first = Math.ceil(region.at / outputAlignBytes) * outputAlignBytes;
    const blockBytes = alignDown((region.at + region.bytes - first) / 2);
    this.#memory = memory;
    this.#bases = [first, first + blockBytes];
    this.bytesMax = blockBytes - outputAlignBytes;
    this.#path = path;
    this.#position = alignDown(offset);
    this.#lead = offset - this.#position;
    this.#filled = this.#lead;
  }

  /** @throws MayflyError OUTPUT_FAILED */
  static async open(memory: Uint8Array, region: Region, path: string, offset: number): Promise<OutputBlocks> {
    const blocks = new OutputBlocks(memory, region, path, offset);
    blocks.#plain = await open(path, "r+").catch((cause: unknown) => {
      throw blocks.#failed(cause);
    });
    // Not everywhere, and not for every file system.
    if (constants.O_DIRECT !== undefined)
      blocks.#direct = await open(path, constants.O_WRONLY | constants.O_DIRECT).catch(() => undefined);
    return blocks;
  }

  /** Where in the memory the next bytes belong. */
  get at(): number {
    return this.#bases[this.#block] + this.#filled;
  }

  /** So many bytes, at most `bytesMax`, are there now. @throws MayflyError OUTPUT_FAILED, also for what was taken before */
  async take(bytes: number): Promise<void> {
    this.#filled += bytes;
    const whole = alignDown(this.#filled);
    // The next bytes begin in the other block, which must have been written.
    await this.#writing;
    if (whole === 0) return;
    const base = this.#bases[this.#block];
    const rest = this.#filled - whole;
    this.#block = this.#block === 0 ? 1 : 0;
    this.#memory.copyWithin(this.#bases[this.#block], base + whole, base + whole + rest);
    this.#writing = this.#write(base, this.#lead, whole, this.#position);
    // Its rejection is seen at the next await; until then it must not count as unhandled.
    this.#writing.catch(() => undefined);
    this.#position += whole;
    this.#filled = rest;
    this.#lead = 0;
  }

  /** Writes what is left. @param durable resolves when all of it is on the disk @throws MayflyError OUTPUT_FAILED */
  async end(durable: boolean): Promise<void> {
    await this.#writing;
    const at = this.#bases[this.#block];
    await this.#writeAll(this.#plain!, at + this.#lead, at + this.#filled, this.#position + this.#lead);
    if (durable) await this.#plain!.sync();
  }

  async close(): Promise<void> {
    await this.#writing?.catch(() => undefined);
    await this.#direct?.close();
    await this.#plain?.close();
  }

  /** The bytes of a block from `lead` to `whole`; `position` is that of the block. */
  async #write(base: number, lead: number, whole: number, position: number): Promise<void> {
    const from = lead === 0 ? 0 : outputAlignBytes;
    await this.#writeAll(this.#plain!, base + lead, base + from, position + lead);
    if (this.#direct !== undefined) {
      try {
        await this.#writeAll(this.#direct, base + from, base + whole, position + from);
        return;
      } catch (thrown) {
        if (!isRefused(thrown)) throw thrown;
        await this.#direct.close();
        this.#direct = undefined;
      }
    }
    await this.#writeAll(this.#plain!, base + from, base + whole, position + from);
  }

  async #writeAll(file: FileHandle, from: number, to: number, position: number): Promise<void> {
    try {
      for (let at = from; at < to; ) {
        const { bytesWritten } = await file.write(this.#memory, at, to - at, position + at - from);
        at += bytesWritten;
      }
    } catch (cause) {
      throw this.#failed(cause);
    }
  }

  #failed(cause: unknown): MayflyError {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `Writing ${this.#path} failed: ${why}. Nothing is left under the final name.`;
    return new MayflyError("OUTPUT_FAILED", message, { cause });
  }
}

/** The file system opens files for direct writing and does not write them so, or wants other alignment. */
function isRefused(thrown: unknown): boolean {
  const { cause } = thrown as { cause?: NodeJS.ErrnoException };
  return cause?.code === "EINVAL";
}

function alignDown(bytes: number): number {
  return bytes - (bytes % outputAlignBytes);
}
