/** Nodes that wait for a newer map or job table: each is answered the moment there is one. */
import type { Cancel, Clock } from "../clock.ts";

export interface News {
  /**
   * Resolves when `isNews` holds after some `look`, when `waitMs` have passed, when the same node waits anew, or when
   * `signal` or `close` ends it; at once when `isNews` holds already.
   */
  wait(node: number, isNews: () => boolean, waitMs: number, signal?: AbortSignal): Promise<void>;
  /** To be called after each change of what nodes wait for. */
  look(): void;
  close(): void;
}

interface Waiter {
  readonly isNews: () => boolean;
  readonly go: () => void;
}

export function createNews(clock: Clock): News {
  /** One a node, so there are no more than nodes. */
  const waiters = new Map<number, Waiter>();
  let closed = false;
  return {
    async wait(node, isNews, waitMs, signal) {
      waiters.get(node)?.go();
      if (closed || signal?.aborted === true || isNews()) return;
      let stopTimer: Cancel = () => {};
      let waiter: Waiter | undefined;
      await new Promise<void>((resolve) => {
        waiter = { isNews, go: resolve };
        waiters.set(node, waiter);
        stopTimer = clock.after(waitMs, resolve, true);
        signal?.addEventListener("abort", () => resolve(), { once: true });
      });
      stopTimer();
      if (waiters.get(node) === waiter) waiters.delete(node);
    },
    look() {
      for (const waiter of waiters.values()) if (waiter.isNews()) waiter.go();
    },
    close() {
      closed = true;
      for (const waiter of waiters.values()) waiter.go();
    },
  };
}
