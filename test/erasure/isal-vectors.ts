/** What ISA-L itself made: shards as hex, in its own byte order. */
import { readFileSync } from "node:fs";

export interface IsalVector {
  readonly d: number;
  readonly p: number;
  readonly data: readonly string[];
  readonly parity: readonly string[];
}

const path = new URL("../vectors/reed-solomon-isal.json", import.meta.url);

export const isalVectors: readonly IsalVector[] = JSON.parse(readFileSync(path, "utf8"));
