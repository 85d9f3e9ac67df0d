/** What scenarios about whole fleets begin with: a fleet, a job, a watch, and clients; all of it is ended in the end. */

import type { Code } from "../../src/placement/types.ts";
import { type SteadyClient, startSteadyClient } from "../drivers/steady-client.ts";
import { type FleetWatch, watchFleet } from "./fleet-watch.ts";
import { machineMs } from "./operation-log.ts";
import { type ProcessFleet, type ProcessFleetOptions, startProcessFleet } from "./process-fleet.ts";
import { untilIdle } from "./processes.ts";
import type { BenchOptions } from "./report.ts";

export interface Scene {
  readonly fleet: ProcessFleet;
  readonly ticket: string;
  readonly watch: FleetWatch;
  /** A client process of the job. */
  client(): Promise<SteadyClient>;
}

export interface SceneOptions extends ProcessFleetOptions {
  /** Of the job. */
  readonly code: Code;
}

/** Of the controller's last decisions; they are printed when something fails. */
const decisionsKept = 60;
const leaseMs = 3_600_000;

/** Runs with a scene of its own. @throws what `run` throws; all processes have ended by then */
export async function inScene<T>(
  { code, ...fleetOptions }: SceneOptions,
  { signal, log }: BenchOptions,
  run: (scene: Scene) => Promise<T>,
): Promise<T> {
  const stops: (() => Promise<void>)[] = [];
  const decisions: string[] = [];
  const beganMs = machineMs();
  const decided = (line: string): void => {
    const text = `${((machineMs() - beganMs) / 1000).toFixed(2)} s: ${line}`;
    // More deaths than were meant spoil a run: a machine that is busy otherwise makes nodes late.
    if (/\b(?:dead|ended|lost)\b/.test(line)) log(`decided after ${text}`);
    decisions.push(text);
    if (decisions.length > decisionsKept) decisions.shift();
  };
  try {
    const fleet = await startProcessFleet({ log: decided, ...fleetOptions });
    stops.push(fleet.stop);
    // They touch their memory in the background.
    await untilIdle([...fleet.pids.values()]);
    const { ticket } = await fleet.client.createJob({ name: "bench", code, leaseMs });
    const watch = watchFleet(fleet, signal);
    stops.push(watch.stop);
    return await run({
      ...{ fleet, ticket, watch },
      async client() {
        const client = await startSteadyClient(ticket, signal);
        stops.push(client.stop);
        return client;
      },
    });
  } catch (thrown) {
    if (!signal.aborted) for (const line of decisions) log(`decided after ${line}`);
    throw thrown;
  } finally {
    // In reverse: clients before their servers.
    for (const stop of stops.reverse())
      await stop().catch((thrown: unknown) => log(`not stopped: ${thrown}`));
  }
}

export function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}/${at}`);
}

/** 0 .. length - 1 */
export function positions({ length }: { readonly length: number }): number[] {
  return Array.from({ length }, (_, at) => at);
}
