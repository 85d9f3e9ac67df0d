/** Virtual time: what is due next happens next, and all that follows from it at that moment. One seed, one course of events. */

interface Due {
  readonly atMs: number;
  readonly order: number;
  /** Undefined once it is called off. */
  run: (() => void) | undefined;
}

/** Resolves when nothing is left that can run without time passing: Node runs what is due next after all microtasks. */
const settled = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

export class Scheduler {
  #nowMs = 0;
  #order = 0;
  #events = 0;
  /** A binary heap, the next one first. */
  readonly #heap: Due[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  /** How many events there have been. */
  get events(): number {
    return this.#events;
  }

  /** The result calls it off. */
  at(atMs: number, run: () => void): () => void {
    const due: Due = { atMs: Math.max(atMs, this.#nowMs), order: this.#order++, run };
    const heap = this.#heap;
    let at = heap.push(due) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(heap[at]!, heap[parent]!)) break;
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
    return () => {
      due.run = undefined;
    };
  }

  after(delayMs: number, run: () => void): () => void {
    return this.at(this.#nowMs + Math.max(0, delayMs), run);
  }

  /** Lets time pass until `until()` holds, which is looked at after each event, or `untilMs` has come. */
  async run(untilMs: number, until: () => boolean = () => false): Promise<boolean> {
    await settled();
    while (!until()) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, untilMs);
        return until();
      }
      this.#pop();
      if (next.run === undefined) continue;
      this.#nowMs = next.atMs;
      this.#events += 1;
      next.run();
      await settled();
    }
    return true;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    heap[0] = last;
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      const right = left + 1;
      let least = at;
      if (left < heap.length && before(heap[left]!, heap[least]!)) least = left;
      if (right < heap.length && before(heap[right]!, heap[least]!)) least = right;
      if (least === at) return;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
  }
}

function before(a: Due, b: Due): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
