/**
 * Rows may change freely while no job is alive, but nodes hear of it a little later. A job that began before all of them
 * had heard could be written to under two different rows of one group. So a job waits for the nodes here. While a job is
 * alive rows are handed over from generation to generation, and nobody needs to wait.
 */
import type { Cancel, Clock } from "../clock.ts";
import { MayflyError } from "../errors.ts";
import { compareEpochs, formatEpoch } from "../placement/epoch.ts";
import type { NodeEntry } from "../placement/types.ts";
import { type FleetState, livingNodes } from "./fleet-state.ts";
import type { Vitals } from "./vitals.ts";

export interface Settlement {
  /** Living nodes that are not known to have the rows as they were last laid anew. */
  behind(state: FleetState): NodeEntry[];
  /** To be called after each heartbeat and each change of the state. */
  look(): void;
  /** @throws MayflyError UNAVAILABLE when some node has not caught up after `waitMsMax`. */
  wait(waitMsMax: number): Promise<void>;
}

export function createSettlement(current: () => FleetState, vitals: Vitals, clock: Clock): Settlement {
  let seen = current();
  let rowsSince = seen.map.epoch;
  const waiting = new Set<() => void>();

  function behind(state: FleetState): NodeEntry[] {
    if (state.map.rows !== seen.map.rows && state.jobs.length === 0) rowsSince = state.map.epoch;
    seen = state;
    return livingNodes(state).filter((node) => compareEpochs(vitals.epochOf(node.id), rowsSince) < 0);
  }

  return {
    behind,
    look() {
      if (behind(current()).length === 0) for (const go of waiting) go();
    },
    async wait(waitMsMax) {
      if (behind(current()).length === 0) return;
      let stopTimer: Cancel = () => {};
      let go = (): void => {};
      const timedOut = await new Promise<boolean>((resolve) => {
        go = () => resolve(false);
        waiting.add(go);
        stopTimer = clock.after(waitMsMax, () => resolve(true), true);
      });
      waiting.delete(go);
      stopTimer();
      if (timedOut) throw notSettled(behind(current()), current());
    },
  };
}

/** Some nodes still have older rows. */
export function notSettled(nodes: readonly NodeEntry[], state: FleetState): MayflyError {
  const names = nodes.map((node) => `${node.id} (${node.host}:${node.port})`).join(", ");
  return new MayflyError(
    "UNAVAILABLE",
    `rows have just changed (epoch ${formatEpoch(state.map.epoch)}) and nodes ${names} have not yet heard; try again`,
    { retryAfterMs: 500 },
  );
}
