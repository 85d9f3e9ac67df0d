/** Which decisions are worth a line of the log. Pure, but for what it remembers. */
import type { ScaleRecord } from "./scale-inventory.ts";

/** A decision to hold is written at least so often. */
const holdEveryMs = 60_000;

/**
 * Tells of each decision, in their order, whether to write it: each that does something, and a decision to hold when it has
 * other kinds of reasons than the last line, or when that is a minute ago.
 */
export function createThinning(): (record: ScaleRecord) => boolean {
  let writtenAtMs = Number.NEGATIVE_INFINITY;
  let kinds = "";
  return ({ atMs, decision, reasons }) => {
    const now = `${decision.kind} ${reasons.map(kindOf).join("\n")}`;
    const isDue = atMs - writtenAtMs >= holdEveryMs || atMs < writtenAtMs;
    if (decision.kind === "hold" && now === kinds && !isDue) return false;
    writtenAtMs = atMs;
    kinds = now;
    return true;
  };
}

/** A reason without its numbers and their units. */
function kindOf(reason: string): string {
  return reason.replace(/\d+(?:\.\d+)?(?: (?:[KMGTP]?i?B|%|s)\b)?/g, "#").replace(/# %/g, "#");
}
