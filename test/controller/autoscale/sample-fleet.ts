/** Inventories for tests: 10 GiB nodes, code 4+2 unless said otherwise. */
import type {
  JobHints,
  ScaleInventory,
  ScaleJob,
  ScaleNode,
} from "../../../src/controller/autoscale/scale-inventory.ts";
import { type ScalePolicy, scalePolicy } from "../../../src/controller/autoscale/scale-policy.ts";

export const gibibyte = 1024 ** 3;

export function samplePolicy(changes: Partial<ScalePolicy> = {}): ScalePolicy {
  return scalePolicy({
    ...{ nodesMin: 3, nodesMax: 50, nodeMemoryBytes: 10 * gibibyte, nodeBytesPerSecond: 1e9 },
    ...{ headroomShare: 0 },
    ...changes,
  });
}

export function node(id: string, fields: Partial<ScaleNode> = {}): ScaleNode {
  return {
    ...{ id, state: "active", startedAtMs: 0, limitBytes: 10 * gibibyte, usedBytes: 0 },
    ...{ networkBytesPerSecond: 0, eventLoopUtilization: 0, waitingWriters: 0 },
    ...fields,
  };
}

/** `count` nodes of the same kind: n1, n2, ... */
export function nodes(count: number, fields: Partial<ScaleNode> = {}): ScaleNode[] {
  return Array.from({ length: count }, (_, at) => node(`n${at + 1}`, fields));
}

export function job(number: number, hints: JobHints, fields: Partial<ScaleJob> = {}): ScaleJob {
  return {
    ...{ job: number, usedBytes: 0, hints, code: { d: 4, p: 2 }, registeredAtMs: 0 },
    ...fields,
  };
}

export function inventory(
  nowMs: number,
  ofNodes: readonly ScaleNode[],
  jobs: readonly ScaleJob[] = [],
): ScaleInventory {
  return { nowMs, nodes: ofNodes, jobs };
}
