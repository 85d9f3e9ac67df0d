/** Wakes the clockwork before its next turn: what is urgent at once, what can be gathered a little later. */
import type { Cancel, Clock } from "../clock.ts";

export interface Alarm {
  /** The listener is called within so many milliseconds, once for all rings until then. */
  ring(withinMs: number): void;
  /** There is one listener; without one, rings are forgotten. */
  listen(listener: (() => void) | undefined): void;
}

export function createAlarm(clock: Clock): Alarm {
  let listener: (() => void) | undefined;
  let dueMs = Number.POSITIVE_INFINITY;
  let cancel: Cancel = () => {};
  return {
    ring(withinMs) {
      const atMs = clock.now() + withinMs;
      if (listener === undefined || dueMs <= atMs) return;
      cancel();
      dueMs = atMs;
      cancel = clock.after(
        withinMs,
        () => {
          dueMs = Number.POSITIVE_INFINITY;
          listener?.();
        },
        true,
      );
    },
    listen(next) {
      listener = next;
      if (next !== undefined) return;
      cancel();
      dueMs = Number.POSITIVE_INFINITY;
    },
  };
}
