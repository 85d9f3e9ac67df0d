/** How far a sort is: a bar for each phase in one pass; in waves one bar for all of it, and a line for each wave. */
import type { Clock } from "../clock.ts";
import { recordBytes } from "../sort/record-memory.ts";
import type { SortPhase } from "../sort/run-sort.ts";
import type { WaveFigures } from "../sort/sort-journal.ts";
import type { SortPlan } from "../sort/sort-plan.ts";
import { createProgress } from "./progress.ts";
import { formatBytes, formatDuration, formatRate } from "./sizes.ts";
import type { OutputStream } from "./verb.ts";

export interface SortProgress {
  update(phase: SortPhase, doneBytes: number): void;
  wave(figures: WaveFigures): void;
  close(): void;
}

export function createSortProgress(
  stream: OutputStream,
  { enabled, clock, plan }: { readonly enabled: boolean; readonly clock: Clock; readonly plan: SortPlan },
): SortProgress {
  const progress = createProgress(stream, { enabled, clock });
  const totalBytes = plan.records * recordBytes;
  const inWaves = plan.waves.length > 1;
  const bars = new Map<string, ReturnType<typeof progress.bar>>();
  const done: Record<SortPhase, number> = { map: 0, shuffle: 0, reduce: 0 };
  const { map, reduce } = plan.passes.secondsOf;
  const mapShare = map + reduce > 0 ? map / (map + reduce) : 0.5;
  return {
    update(phase, doneBytes) {
      done[phase] = doneBytes;
      const label = inWaves ? "sort" : phase;
      // By the time that a byte's map takes of all that is done with it: so that the rate and the ETA are those of the whole.
      const allBytes = inWaves ? mapShare * done.map + (1 - mapShare) * done.reduce : doneBytes;
      let bar = bars.get(label);
      if (bar === undefined) {
        bar = progress.bar({ label, totalBytes });
        bars.set(label, bar);
      }
      bar.update(Math.round(allBytes));
      if (Math.round(allBytes) === totalBytes) bar.finish();
    },
    wave({ wave, bytes, seconds, rssPeakBytes }) {
      if (!inWaves) return;
      const rate = formatRate(seconds > 0 ? bytes / seconds : 0);
      const took = `${formatBytes(bytes, "decimal")} in ${formatDuration(seconds * 1000)}, ${rate}`;
      const memory = rssPeakBytes > 0 ? `, ${formatBytes(rssPeakBytes)} resident` : "";
      progress.log(`wave ${wave + 1} of ${plan.waves.length}: ${took}${memory}`);
    },
    close: () => progress.close(),
  };
}
