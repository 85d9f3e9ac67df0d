/**
 * Reading and writing past the page cache. What goes to a folder is more than memory holds, and is read by others or not at all: to
 * copy it into pages of the system first takes longer than the disk does. Direct access wants places in memory, places in
 * the file and lengths that are multiples of 4,096; so the bytes go through a few buffers that are aligned.
 */
import { constants, type FileHandle, open } from "node:fs/promises";

const alignBytes = 4096;
const wasmPageBytes = 65_536;
export const stageBytes: number = 2 * 2 ** 20;
/** What is smaller is not worth another opened file. */
export const directBytesMin: number = 512 * 1024;
/** 16 MiB, taken when first used. */
const stagesMax = 8;

let memory: Uint8Array | undefined;
let free: number[] | undefined;

/** The process's: the first byte of such a memory lies on a page. */
export class Stage {
  readonly bytes: Uint8Array;
  readonly #at: number;

  private constructor(at: number) {
    this.#at = at;
    this.bytes = memory!.subarray(at * stageBytes, (at + 1) * stageBytes);
  }

  /** Undefined when all are in use: then one does without. */
  static take(): Stage | undefined {
    memory ??= new Uint8Array(
      new WebAssembly.Memory({ initial: (stagesMax * stageBytes) / wasmPageBytes }).buffer,
    );
    free ??= Array.from({ length: stagesMax }, (_, at) => at);
    const at = free.pop();
    return at === undefined ? undefined : new Stage(at);
  }

  giveBack(): void {
    free?.push(this.#at);
  }
}

/** The file for direct access; undefined where the system or the file system has no such thing. */
export async function openDirect(path: string, access: "read" | "write"): Promise<FileHandle | undefined> {
  if (constants.O_DIRECT === undefined) return undefined;
  const mode = access === "read" ? constants.O_RDONLY : constants.O_WRONLY;
  return await open(path, mode | constants.O_DIRECT).catch(() => undefined);
}

export function alignDown(bytes: number): number {
  return bytes - (bytes % alignBytes);
}

export function alignUp(bytes: number): number {
  return alignDown(bytes + alignBytes - 1);
}
