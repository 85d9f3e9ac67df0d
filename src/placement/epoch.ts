/** Versions of the map: a higher term always wins, then the higher n. */
import { MayflyError } from "../errors.ts";
import type { Epoch } from "./types.ts";

/** Term and n are unsigned 32-bit numbers. */
export const epochPartMax = 2 ** 32 - 1;

/** Older than every epoch that a controller makes: what a node or client without a map has. */
export const epochZero: Epoch = { term: 0, n: 0 };

/** Negative when `a` is older than `b`, 0 when they are the same, positive when `a` is newer. */
export function compareEpochs(a: Epoch, b: Epoch): number {
  return a.term === b.term ? a.n - b.n : a.term - b.term;
}

/** { term: 3, n: 17 } -> "3.17" */
export function formatEpoch(epoch: Epoch): string {
  return `${epoch.term}.${epoch.n}`;
}

/** "3.17" -> { term: 3, n: 17 }. @throws MayflyError INVALID_ARGUMENT */
export function parseEpoch(text: string): Epoch {
  const match = /^(0|[1-9]\d{0,9})\.(0|[1-9]\d{0,9})$/.exec(text);
  const term = Number(match?.[1]);
  const n = Number(match?.[2]);
  if (match === null || term > epochPartMax || n > epochPartMax) {
    const shown = JSON.stringify(text.slice(0, 40));
    throw new MayflyError(
      "INVALID_ARGUMENT",
      `${shown} is no epoch: it is term.n, two numbers below 2^32, like 3.17`,
    );
  }
  return { term, n };
}
