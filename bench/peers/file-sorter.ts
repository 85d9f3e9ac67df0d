/** A program that sorts a file of 100-byte ASCII records, lines that end in CRLF, by their first 10 bytes. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Figures } from "../harness/report.ts";

export interface FileSortTask {
  readonly input: string;
  readonly inputBytes: number;
  /** Not there yet: the program makes a file of it, or a folder of parts. */
  readonly output: string;
  /** A folder for what does not fit the memory, on the disk of the output; removed with all that is in it. */
  readonly scratch: string;
  /** Threads or processes that work at a time. */
  readonly workers: number;
  /** What it is told that it may take for buffers or heap. */
  readonly memoryBytes: number;
}

export interface SortCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** The line that it prints when it has started and turns to the records. */
  readonly started?: RegExp;
  /** The line that tells how it went, and the figures that it has of its own. */
  readonly result?: { readonly line: RegExp; figures(line: string): Figures };
}

export interface FileSorter {
  command(task: FileSortTask): SortCommand;
}

/** Programs that tell when they turn to the records print this. */
export const startedLine = /^\{"started":true\}$/;

/** A file by itself, or the parts in a folder by name: `part-00000-...`. @throws Error when there is none */
export async function outputFiles(output: string): Promise<string[]> {
  if ((await stat(output)).isFile()) return [output];
  const parts = (await readdir(output)).filter((name) => name.startsWith("part-")).sort();
  if (parts.length === 0) throw new Error(`${output} has no parts`);
  return parts.map((name) => join(output, name));
}
