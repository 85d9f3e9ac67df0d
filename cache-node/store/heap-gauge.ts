import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * The V8 heap, which shares the machine with the slabs. What jobs are charged for index entries is an estimate, and
 * freed entries stay resident until they are collected: the gauge tells what is really taken.
 */
export interface HeapGauge {
  /** Bytes the heap has taken from the machine, garbage and free pages included. About 50 microseconds. */
  takenBytes(): number;
  /** V8 ends the process when the heap needs more than this. */
  readonly limitBytes: number;
  /** Collects all garbage now. Stops the process, for a second for each GB that is alive: only when memory is short. */
  collect(): void;
}

/** The heap of this process. */
export function createHeapGauge(): HeapGauge {
  let gc: (() => void) | undefined;
  return {
    takenBytes: () => getHeapStatistics().total_heap_size,
    limitBytes: getHeapStatistics().heap_size_limit,
    collect() {
      if (gc === undefined) {
        // V8 shows `gc` only to contexts that are made while the flag is set.
        setFlagsFromString("--expose-gc");
        gc = runInNewContext("gc") as () => void;
        setFlagsFromString("--no-expose-gc");
      }
      gc();
    },
  };
}

/**
 * Makes V8 collect when the old generation has grown by a tenth, for this whole process; for the main file of a node.
 * Without it, replacing 3 million small entries once left 3 GB of garbage beside 350 MB that were alive, since V8
 * lets the heap double or triple first; with it, at the same speed, at most 0.6 GB were resident.
 */
export function limitHeapGarbage(): void {
  setFlagsFromString("--heap-growing-percent=10");
}

/** Two of the halves that V8 copies between. */
const youngBytes = 2 * 4 * 1024 * 1024;

/**
 * Keeps V8's young generation at halves of 4 MiB instead of 16, for this whole process; for the main file of a node.
 * V8 begins to mark the old generation when what that may still grow by is less than the young one; a node's old one
 * is small, so that it marked without end: 10 major collections a second while cells were written, a third of the
 * CPU time. The size can only be given on the command line, but that it shall not double any more can be said at any time.
 */
export function limitYoungGeneration(): void {
  const size = (): number =>
    getHeapSpaceStatistics().find((space) => space.space_name === "new_space")?.space_size ?? youngBytes;
  const observer = new PerformanceObserver(() => {
    if (size() < youngBytes) return;
    setFlagsFromString("--semi-space-growth-factor=1");
    observer.disconnect();
  });
  observer.observe({ entryTypes: ["gc"] });
}
