import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { MayflyError } from "../errors.ts";
import { fileErrorText } from "./file-error.ts";

export interface InputFile {
  /** Undefined for what is no regular file: its end is where it ends. */
  readonly sizeBytes: number | undefined;
  /** Reads it once and closes it. @throws MayflyError INPUT_INVALID */
  read(): AsyncGenerator<Uint8Array>;
}

const pieceBytes = 1024 * 1024;

/** Opens a file for reading. @throws MayflyError INPUT_INVALID, saying why it cannot be read */
export async function openInput(path: string): Promise<InputFile> {
  let handle: FileHandle;
  try {
    handle = await open(path, "r");
  } catch (thrown) {
    throw unreadable(path, thrown);
  }
  const stat = await handle.stat();
  if (stat.isDirectory()) {
    await handle.close();
    throw new MayflyError("INPUT_INVALID", `${path} is a directory; name a file, or - for standard input`);
  }
  return {
    sizeBytes: stat.isFile() ? stat.size : undefined,
    async *read() {
      try {
        yield* createReadStream("", { fd: handle, highWaterMark: pieceBytes }) as AsyncIterable<Uint8Array>;
      } catch (thrown) {
        throw unreadable(path, thrown);
      }
    },
  };
}

function unreadable(path: string, thrown: unknown): MayflyError {
  return new MayflyError("INPUT_INVALID", `${path} cannot be read: ${fileErrorText(thrown)}`, {
    cause: thrown,
  });
}
