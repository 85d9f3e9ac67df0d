/** What making keys durable and importing objects take and give. */
import type { CallOptions } from "../call-options.ts";

export interface PersistOptions extends CallOptions {
  /** Called with the counts so far, at most once for each key. */
  readonly onProgress?: (soFar: PersistResult) => void;
}

export interface PersistResult {
  /** Keys that were made durable, and their bytes. */
  readonly objects: number;
  readonly bytes: number;
  /** Keys that were durable before, or name what lies in the store. */
  readonly already: number;
  /** Keys that hold a counter or a collection. */
  readonly skipped: number;
  /** What `import` of another job takes to have these keys; undefined where there are none. */
  readonly from: string | undefined;
}

export interface ImportOptions extends CallOptions {
  /** Begins the keys; "" by default. */
  readonly prefix?: string;
}

export interface ImportResult {
  /** Keys that were written, and the bytes that they name. */
  readonly objects: number;
  readonly bytes: number;
}
