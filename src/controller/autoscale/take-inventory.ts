/** What the planner of the fleet's size is told of a fleet. Reads, and changes nothing. */
import type { Clock } from "../../clock.ts";
import type { Fleet } from "../fleet.ts";
import { type FleetState, livingNodes } from "../fleet-state.ts";
import type { NodeSupply } from "../node-supply.ts";
import type { ScaleInventory, ScaleJob, ScaleNode } from "./scale-inventory.ts";

/** Monotonic milliseconds as milliseconds since 1970, so that people can read them; a clock that is set does not matter. */
export type SteadyTime = (monotonicMs: number) => number;

export function steadyTime(clock: Clock): SteadyTime {
  const originMs = clock.wallMs() - clock.now();
  return (monotonicMs) => Math.round(originMs + monotonicMs);
}

/**
 * - A node that somebody drains by hand is as good as gone, and is left out: it may not be kept. What it holds is in the
 *   bytes of jobs.
 * - What is full is what cleaning cannot help.
 */
export function takeInventory(
  fleet: Fleet,
  state: FleetState,
  supply: NodeSupply,
  steady: SteadyTime,
): ScaleInventory {
  const nowMs = steady(fleet.settings.clock.now());
  const memoryBytes = supply.memoryBytes();
  const nodes = livingNodes(state).flatMap(({ id, state: is }): ScaleNode[] => {
    const vitals = fleet.vitals.node(id);
    if (vitals === undefined || (is === "draining" && !supply.mayKeep(id))) return [];
    const { limitBytes, networkBytesPerSecond, waitingWriters } = vitals.report;
    return [
      {
        ...{ id: String(id), state: is === "draining" ? "draining" : "active" },
        startedAtMs: vitals.joinedAtMs === undefined ? 0 : steady(vitals.joinedAtMs),
        limitBytes: limitBytes === 0 ? memoryBytes : limitBytes,
        usedBytes: fleet.vitals.claimedBytesOf(id),
        eventLoopUtilization: vitals.busy,
        ...{ networkBytesPerSecond, waitingWriters },
      },
    ];
  });
  const starting = supply.starting.map(
    ({ id, orderedAtMs }): ScaleNode => ({
      ...{ id, state: "starting", startedAtMs: steady(orderedAtMs), limitBytes: memoryBytes, usedBytes: 0 },
      ...{ networkBytesPerSecond: 0, eventLoopUtilization: 0, waitingWriters: 0 },
    }),
  );
  const jobs = state.jobs.map(
    ({ number, hints, code, createdAtMs }): ScaleJob => ({
      ...{ job: number, hints, code },
      usedBytes: fleet.vitals.claimedBytesOfJob(number),
      registeredAtMs: Math.min(createdAtMs, nowMs),
    }),
  );
  return { nowMs, nodes: [...nodes, ...starting], jobs };
}

/** Nodes of which nothing is known but that they were there when this controller began. */
export function notHeardOf({ vitals }: Fleet, state: FleetState): number[] {
  return livingNodes(state)
    .map((node) => node.id)
    .filter((id) => {
      const known = vitals.node(id);
      return known === undefined || (known.reportEpoch === undefined && known.joinedAtMs === undefined);
    });
}
