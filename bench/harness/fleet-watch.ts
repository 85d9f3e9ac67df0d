/** What the controller says about its fleet, again and again: when things came true, and how they went. */
import { setTimeout as sleep } from "node:timers/promises";
import { machineMs } from "./operation-log.ts";
import type { ProcessFleet } from "./process-fleet.ts";

export interface FleetSample {
  readonly atMs: number;
  readonly active: number;
  readonly draining: number;
  readonly dead: number;
  readonly usedBytes: number;
  readonly rowsFull: number;
  readonly rowsTotal: number;
  readonly rowsMoving: number;
  /** Objects that nodes say they have to make anew or to move. */
  readonly objectsLeft: number;
  readonly movedBytes: number;
  readonly lostObjects: number;
  /** The size asked for is there, and rows are where they should be. */
  readonly isScaled: boolean;
  /** All nodes know of all deaths, and have nothing left to make anew. */
  readonly isMended: boolean;
}

export interface FleetWatch {
  readonly samples: readonly FleetSample[];
  /** The first sample from now on of which it is true. @throws Error when there is none `withinMs` */
  until(what: string, isSo: (sample: FleetSample) => boolean, withinMs: number): Promise<FleetSample>;
  /** Also waits for the last look. */
  stop(): Promise<void>;
}

const everyMs = 50;

/** @throws nothing by itself: `until` throws what a look threw, and the signal's reason */
export function watchFleet(fleet: ProcessFleet, signal: AbortSignal): FleetWatch {
  const samples: FleetSample[] = [];
  const listeners = new Set<() => void>();
  let failure: unknown;
  let stopped = false;
  const watching = (async () => {
    try {
      while (!stopped) {
        signal.throwIfAborted();
        samples.push(await look(fleet));
        for (const listener of [...listeners]) listener();
        await sleep(everyMs, undefined, { signal });
      }
    } catch (thrown) {
      failure = signal.aborted ? signal.reason : thrown;
    }
    for (const listener of [...listeners]) listener();
  })();
  return {
    samples,
    until(what, isSo, withinMs) {
      const untilMs = machineMs() + withinMs;
      return new Promise((resolve, reject) => {
        const settle = (act: () => void): void => {
          listeners.delete(listen);
          act();
        };
        const listen = (): void => {
          const sample = samples.at(-1);
          if (failure !== undefined) settle(() => reject(failure));
          else if (sample !== undefined && isSo(sample)) settle(() => resolve(sample));
          else if (machineMs() > untilMs || stopped) {
            const last = JSON.stringify(sample);
            settle(() => reject(new Error(`${what}: not within ${withinMs} ms; the fleet was ${last}`)));
          }
        };
        listeners.add(listen);
        // What was seen before counts for nothing, unless nothing is seen any more.
        if (failure !== undefined) listen();
      });
    },
    async stop() {
      stopped = true;
      await watching;
    },
  };
}

async function look({ client, controller }: ProcessFleet): Promise<FleetSample> {
  const { nodes, rows, relocation, size } = await client.status();
  const count = (state: string): number => nodes.filter((node) => node.state === state).length;
  return {
    atMs: machineMs(),
    ...{ active: count("active"), draining: count("draining"), dead: count("dead") },
    usedBytes: nodes.reduce((sum, node) => sum + (node.state === "dead" ? 0 : node.usedBytes), 0),
    ...{ rowsFull: rows.full, rowsTotal: rows.total, rowsMoving: rows.moving },
    ...{ objectsLeft: relocation.objects, movedBytes: relocation.movedBytes },
    lostObjects: relocation.lostObjects,
    isScaled: size.done,
    isMended: controller.state.jobs.every((job) => job.nodesLost === 0),
  };
}
