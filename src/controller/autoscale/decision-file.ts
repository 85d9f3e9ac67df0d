/**
 * The decision log as a file that does not grow for ever: `decisions.jsonl`, and those before it as `.1` (the newest) to `.3`. Each
 * begins with the header, so that each replays alone.
 */
import { type FileHandle, mkdir, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { MayflyError } from "../../errors.ts";
import { startDecisionLog } from "./decision-log.ts";
import type { ScaleRecord } from "./scale-inventory.ts";
import type { ScalePolicy } from "./scale-policy.ts";

export interface DecisionFile {
  /** Writes it soon; does not wait, and never throws. */
  append(record: ScaleRecord): void;
  /** Resolves when all is written. */
  close(): Promise<void>;
}

export interface DecisionFileOptions {
  readonly path: string;
  readonly policy: ScalePolicy;
  /** A file that is larger gets a successor. */
  readonly bytesMax?: number;
  /** Told when it cannot be written, once for each time. */
  readonly log: (line: string) => void;
}

const bytesMaxDefault = 64 * 1024 * 1024;
const olderFilesMax = 3;
/** Beyond that a disk that is stuck costs lines, not memory. */
const waitingBytesMax = 16 * 1024 * 1024;

/** @throws MayflyError OUTPUT_FAILED when it cannot be written at all */
export async function openDecisionFile(options: DecisionFileOptions): Promise<DecisionFile> {
  const { path, policy, bytesMax = bytesMaxDefault, log } = options;
  let line = "";
  const writer = startDecisionLog(policy, (text) => {
    line = text;
  });
  const header = line;
  let waiting: string[] = [];
  let waitingBytes = 0;
  let writing: Promise<void> | undefined;
  let isFaulty = false;
  let file: FileHandle;
  let bytes = 0;

  async function begin(): Promise<void> {
    for (let number = olderFilesMax; number >= 1; number--) {
      await renameIfThere(number === 1 ? path : `${path}.${number - 1}`, `${path}.${number}`);
    }
    file = await open(path, "a", 0o600);
    await file.appendFile(header);
    bytes = header.length;
  }

  async function writeOut(): Promise<void> {
    while (waiting.length > 0) {
      const lines = waiting;
      waiting = [];
      waitingBytes = 0;
      try {
        for (const each of lines) {
          if (bytes > header.length && bytes + each.length > bytesMax) {
            await file.close();
            await begin();
          }
          await file.appendFile(each);
          bytes += each.length;
        }
        isFaulty = false;
      } catch (thrown) {
        report(`cannot be written: ${MayflyError.from(thrown).message}`);
      }
    }
    writing = undefined;
  }

  function report(what: string): void {
    if (!isFaulty) log(`the log of decisions ${path} ${what}`);
    isFaulty = true;
  }

  try {
    await mkdir(dirname(path), { recursive: true });
    const sameBytes = await bytesToGoOn(path, header);
    if (sameBytes === undefined) await begin();
    else [file, bytes] = [await open(path, "a", 0o600), sameBytes];
  } catch (thrown) {
    throw new MayflyError(
      "OUTPUT_FAILED",
      `the log of decisions ${path} cannot be written: ${MayflyError.from(thrown).message}; choose another with --decision-log`,
      { cause: thrown },
    );
  }

  return {
    append(record) {
      writer.append(record);
      if (waitingBytes + line.length > waitingBytesMax) return report("is too slow: decisions are left out");
      waiting.push(line);
      waitingBytes += line.length;
      writing ??= writeOut();
    },
    async close() {
      await writing;
      await file.close().catch(() => undefined);
    },
  };
}

/** The size of a log of the same policy that ends with a whole line; undefined when it takes a new file. */
async function bytesToGoOn(path: string, header: string): Promise<number | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw thrown;
  }
  try {
    const { size } = await file.stat();
    const first = Buffer.alloc(header.length);
    await file.read(first, 0, first.length, 0);
    const last = Buffer.alloc(1);
    await file.read(last, 0, 1, Math.max(0, size - 1));
    return first.toString() === header && last.toString() === "\n" ? size : undefined;
  } finally {
    await file.close();
  }
}

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (thrown) {
    if (!isMissing(thrown)) throw thrown;
  }
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";
}
