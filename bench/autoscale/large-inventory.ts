/** A fleet as large as one gets, to see how long a decision takes. */
import type { Code } from "../../src/placement/types.ts";
import type { FleetShape, SimulatedInventory } from "./simulated-scaler.ts";

/** All nodes 60 % full, and all jobs within their hints; `nowMs` makes them grow a little. */
export function largeInventory(
  nodes: number,
  jobs: number,
  nowMs: number,
  shape: FleetShape,
  code: Code,
): SimulatedInventory {
  const usedBytes = 0.6 * shape.nodeMemoryBytes;
  const jobBytes = Math.floor((usedBytes * nodes) / jobs);
  return {
    nowMs,
    nodes: Array.from({ length: nodes }, (_, at) => ({
      ...{
        id: `n${at}`,
        state: "active" as const,
        startedAtMs: 0,
        limitBytes: shape.nodeMemoryBytes,
        usedBytes,
      },
      ...{ networkBytesPerSecond: 1e8, eventLoopUtilization: 0.3, waitingWriters: 0 },
    })),
    jobs: Array.from({ length: jobs }, (_, at) => ({
      ...{ job: at + 1, usedBytes: jobBytes + nowMs, hints: { bytes: Math.round(jobBytes * 0.75) }, code },
      registeredAtMs: 0,
    })),
  };
}
