import { constants, type PerformanceEntry, PerformanceObserver } from "node:perf_hooks";
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

/** Growth of the heap that V8 may leave uncollected whatever its size: less would have it collect without end. */
const garbageBytesMin = 16 * 1024 * 1024;
const growingPercentMin = 10;
/** Two of the halves that V8 copies between. */
const youngBytes = 2 * 4 * 1024 * 1024;

/**
 * Makes V8 collect when its heap has grown by a tenth or 16 MiB, and keeps its young generation at halves of 4 MiB, for
 * this whole process; for the main file of a node. Without the first, replacing 3 million small entries once left 3 GB
 * of garbage beside 350 MB that were alive, since V8 lets the heap double or triple first; with it, at the same speed,
 * at most 0.6 GB were resident.
 *
 * Without the second V8, which begins to mark the old generation when that may grow by less than the young one may
 * hold, marked a node's small heap without end: 10 major collections a second while cells were written, a third of the
 * CPU time. The size can only be given on the command line, but that it shall not double any more at any time.
 */
export function limitHeapGarbage(): void {
  let young = false;
  const adjust = (): void => {
    const percent = Math.ceil((100 * garbageBytesMin) / getHeapStatistics().used_heap_size);
    setFlagsFromString(`--heap-growing-percent=${Math.max(growingPercentMin, percent)}`);
    const space = getHeapSpaceStatistics().find((each) => each.space_name === "new_space");
    if (young || space === undefined || space.space_size < youngBytes) return;
    young = true;
    setFlagsFromString("--semi-space-growth-factor=1");
  };
  const observer = new PerformanceObserver((list) => {
    const isMajor = (entry: PerformanceEntry): boolean =>
      (entry as PerformanceEntry & { detail?: { kind?: number } }).detail?.kind ===
      constants.NODE_PERFORMANCE_GC_MAJOR;
    if (!young || list.getEntries().some(isMajor)) adjust();
  });
  adjust();
  observer.observe({ entryTypes: ["gc"] });
}
