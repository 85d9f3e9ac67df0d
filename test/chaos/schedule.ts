/** Decides, and only decides, which fault is next: seeded, from what is possible now. `faults.ts` acts on it. */
import type { Rng } from "../../src/clock.ts";

export const faultKinds = ["kill", "stop", "partition", "drain", "add", "controller"] as const;
export type FaultKind = (typeof faultKinds)[number];
export type Direction = "both" | "out" | "in";

export type Fault =
  /** `machine`: cut off first, so that nobody is told by closed connections. */
  | { readonly kind: "kill"; readonly nodes: readonly string[]; readonly machine: boolean }
  | { readonly kind: "stop"; readonly node: string; readonly ms: number }
  /** `other`: another node, or a place; `direction` as `node` sees it. */
  | {
      readonly kind: "partition";
      readonly node: string;
      readonly other: string;
      readonly direction: Direction;
      readonly ms: number;
    }
  | { readonly kind: "drain"; readonly node: string; readonly deadlineMs: number }
  | { readonly kind: "add" }
  | { readonly kind: "controller"; readonly awayMs: number };

export interface Situation {
  /** Nodes that serve, and that nothing is being done to. */
  readonly healthy: readonly string[];
  /** Nodes that run, whatever is being done to them. */
  readonly running: number;
  readonly nodesWanted: number;
  /** Fewer nodes than that cannot keep the redundancy. */
  readonly nodesMin: number;
  readonly lossesLeft: number;
  readonly controllerIsUp: boolean;
  readonly drains: boolean;
  readonly enabled: ReadonlySet<FaultKind>;
  /** Places that are no nodes and can be parted from one. */
  readonly places: { readonly controller: string; readonly clients: string; readonly everywhere: string };
}

/** The next fault, or undefined when none is possible now. */
export function chooseFault(rng: Rng, situation: Situation): Fault | undefined {
  const candidates = weights(situation).filter(([kind, weight]) => weight > 0 && situation.enabled.has(kind));
  const total = candidates.reduce((sum, [, weight]) => sum + weight, 0);
  let draw = rng.random() * total;
  for (const [kind, weight] of candidates) {
    draw -= weight;
    if (draw < 0) return faultOf(kind, rng, situation);
  }
  return undefined;
}

function weights(situation: Situation): [FaultKind, number][] {
  const { healthy, lossesLeft, running, nodesWanted, nodesMin, controllerIsUp, drains } = situation;
  const mayLose = lossesLeft > 0 && healthy.length > 0;
  return [
    ["kill", mayLose ? 4 : 0],
    ["stop", mayLose ? 4 : 0],
    ["partition", mayLose && healthy.length > 1 ? 6 : 0],
    ["drain", drains && running > nodesMin && healthy.length > 0 ? (running > nodesWanted ? 6 : 2) : 0],
    ["add", controllerIsUp && running <= nodesWanted ? 1 : 0],
    ["controller", controllerIsUp ? 2 : 0],
  ];
}

function faultOf(kind: FaultKind, rng: Rng, situation: Situation): Fault {
  const nodes = shuffled(rng, situation.healthy);
  const [node = "", other = ""] = nodes;
  // Half of them end before a node counts as dead by default.
  const ms = Math.round(rng.random() < 0.5 ? 500 + rng.random() * 1200 : 1700 + rng.random() * 3300);
  switch (kind) {
    case "kill": {
      const two = situation.lossesLeft >= 2 && nodes.length >= 2 && rng.random() < 0.25;
      return { kind, nodes: two ? [node, other] : [node], machine: rng.random() < 0.5 };
    }
    case "stop":
      return { kind, node, ms };
    case "partition":
      return { kind, node, ...partOf(rng, situation, other), ms };
    case "drain":
      return { kind, node, deadlineMs: 30_000 };
    case "add":
      return { kind };
    case "controller":
      return { kind, awayMs: Math.round(rng.random() * 5000) };
  }
}

function partOf(
  rng: Rng,
  { places, lossesLeft }: Situation,
  other: string,
): { other: string; direction: Direction } {
  const direction = (["both", "both", "out", "in"] as const)[Math.floor(rng.random() * 4)]!;
  const draw = rng.random();
  // Either of two nodes that cannot reach one another may be taken for dead.
  if (draw < 0.35 && lossesLeft >= 2) return { other, direction };
  if (draw < 0.65) return { other: places.controller, direction };
  return { other: draw < 0.8 ? places.clients : places.everywhere, direction };
}

function shuffled(rng: Rng, values: readonly string[]): string[] {
  const result = [...values];
  for (let at = result.length - 1; at > 0; at--) {
    const from = Math.floor(rng.random() * (at + 1));
    [result[at], result[from]] = [result[from]!, result[at]!];
  }
  return result;
}

/** The nodes that a fault may cost. */
export function mayCost(fault: Fault, isNode: (name: string) => boolean): readonly string[] {
  switch (fault.kind) {
    case "kill":
      return fault.nodes;
    case "stop":
      return [fault.node];
    case "partition":
      return [fault.node, fault.other].filter(isNode);
    default:
      return [];
  }
}

/** A line of the fault log. */
export function describeFault(fault: Fault): string {
  switch (fault.kind) {
    case "kill":
      return `kill -9 ${fault.nodes.join(" and ")}${fault.machine ? ", cut off first" : ""}`;
    case "stop":
      return `stop ${fault.node} for ${fault.ms} ms`;
    case "partition": {
      const arrow = { both: "<->", out: "->", in: "<-" }[fault.direction];
      return `cut ${fault.node} ${arrow} ${fault.other === "*" ? "everybody" : fault.other} for ${fault.ms} ms`;
    }
    case "drain":
      return `drain ${fault.node}`;
    case "add":
      return "add a node";
    case "controller":
      return `kill -9 the controller for ${fault.awayMs} ms`;
  }
}
