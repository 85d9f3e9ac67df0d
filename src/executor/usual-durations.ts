/** How long functions take, as far as it is known. */
import type { HandlerRef } from "./executor.ts";

/** Of a function that was run so often it is known what is usual. */
const knownRuns = 3;
const durationsKept = 101;

interface Runs {
  /** The newest last. */
  readonly durations: readonly number[];
  readonly medianMs: number;
}

export class UsualDurations {
  readonly #runs = new Map<string, Runs>();

  note(handler: HandlerRef, ms: number): void {
    const before = this.#runs.get(keyOf(handler))?.durations ?? [];
    const durations = [...before, ms].slice(-durationsKept);
    const medianMs = [...durations].sort((a, b) => a - b)[durations.length >> 1]!;
    this.#runs.set(keyOf(handler), { durations, medianMs });
  }

  /** Undefined while it is not known. */
  medianMs(handler: HandlerRef): number | undefined {
    const runs = this.#runs.get(keyOf(handler));
    return runs !== undefined && runs.durations.length >= knownRuns ? runs.medianMs : undefined;
  }
}

function keyOf({ module, name }: HandlerRef): string {
  return `${module} ${name}`;
}
