/** What a trace costs without a planner. */
import type { Code } from "../../src/placement/types.ts";
import type { FleetShape } from "./simulated-scaler.ts";
import type { Trace } from "./trace.ts";

/** Nodes for so many user bytes at so full. */
function nodesFor(bytes: number, { d, p }: Code, { nodeMemoryBytes }: FleetShape, fill: number): number {
  return Math.max(d + p, Math.ceil((bytes * (d + p)) / d / (fill * nodeMemoryBytes)));
}

/** Nodes for the peak of all jobs together, for the whole trace. `fill`: how full they are at the peak. */
export function peakProvisioning(
  trace: Trace,
  code: Code,
  shape: FleetShape,
  fill: number,
): { readonly nodes: number; readonly nodeHours: number } {
  const nodes = nodesFor(trace.peakBytes, code, shape, fill);
  return { nodes, nodeHours: (nodes * trace.seconds) / 3600 };
}

/** Each job has whole nodes of its own for its own peak, and at least as many as its code needs, from its registration to its end. */
export function perJobProvisioning(trace: Trace, code: Code, shape: FleetShape, fill: number): number {
  let seconds = 0;
  for (const job of trace.jobs) {
    seconds += nodesFor(job.peakBytes, code, shape, fill) * (job.endSeconds - job.startSeconds);
  }
  return seconds / 3600;
}
