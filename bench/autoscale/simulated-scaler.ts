/**
 * What a simulated fleet asks to learn how many nodes it should have. The shapes are those of the controller's planner, which
 * is given to the simulator by whoever runs it: benchmarks do not know the controller.
 */
import type { Code } from "../../src/placement/types.ts";
import type { JobHints } from "../../src/wire/control-api.ts";

export interface SimulatedInventory {
  readonly nowMs: number;
  readonly nodes: readonly {
    readonly id: string;
    readonly state: "starting" | "active" | "draining";
    readonly startedAtMs: number;
    readonly limitBytes: number;
    readonly usedBytes: number;
    readonly networkBytesPerSecond: number;
    readonly eventLoopUtilization: number;
    readonly waitingWriters: number;
  }[];
  readonly jobs: readonly {
    readonly job: number;
    readonly usedBytes: number;
    readonly hints: JobHints;
    readonly code: Code;
    readonly registeredAtMs: number;
  }[];
}

export interface SimulatedDecision {
  readonly start: number;
  readonly keep: readonly string[];
  readonly drain: readonly string[];
}

export interface SimulatedScaler {
  plan(inventory: SimulatedInventory): { readonly decision: SimulatedDecision };
  admit(inventory: SimulatedInventory, hints: JobHints, code: Code): { readonly admitted: boolean };
}

/** What the fleet is made of; everything else is up to the planner. */
export interface FleetShape {
  readonly nodesMin: number;
  readonly nodesMax: number;
  readonly nodeMemoryBytes: number;
  readonly nodeBytesPerSecond: number;
  readonly startMs: number;
  readonly decideEveryMs: number;
}

export type MakeScaler = (shape: FleetShape) => SimulatedScaler;
