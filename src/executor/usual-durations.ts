/** How long functions take, as far as it is known. */
import type { HandlerRef } from "./executor.ts";

/** Of a function that was run so often it is known what is usual. */
const knownRuns = 3;
const durationsKept = 101;

export class UsualDurations {
  /** By function: how long its last runs took, the newest last. */
  readonly #durations = new Map<string, number[]>();

  note({ module, name }: HandlerRef, ms: number): void {
    const key = `${module} ${name}`;
    this.#durations.set(key, [...(this.#durations.get(key) ?? []), ms].slice(-durationsKept));
  }

  /** The median; undefined while it is not known. */
  medianMs({ module, name }: HandlerRef): number | undefined {
    const durations = this.#durations.get(`${module} ${name}`) ?? [];
    if (durations.length < knownRuns) return undefined;
    return [...durations].sort((a, b) => a - b)[durations.length >> 1];
  }
}
