/** What the processes of a sort on one machine take beside what nodes hold for the job: pure. All sizes in bytes. */
import { outOfMemory, type Pieces, size } from "./sort-pieces.ts";

const mib = 2 ** 20;

/** Resident beyond a node's memory limit: the runtime, its index and its sockets. */
export const nodeProcessBytes = 64 * mib;
/** Beyond a worker's kernels: the runtime, the SDK's memory and its prefetch. */
const workerProcessBytes = 160 * mib;
/** The command itself, with the controller in it. */
export const coordinatorBytes = 160 * mib;
/** What a node that spills gathers before it leaves, and what it reads ahead. */
const spillBufferBytes = 64 * mib;

export interface MachineUse {
  readonly nodes: number;
  readonly workers: number;
  /** What all nodes together may hold; without it each node gets what it needs. */
  readonly fleetMemoryBytes?: number;
  /** If nodes and workers run here: what all of them together may take. */
  readonly machineFreeBytes?: number;
}

export interface SortMemory {
  /** What the nodes may hold together. */
  readonly fleetBytes: number;
  /** The nodes' processes beside that. */
  readonly nodeProcessesBytes: number;
  readonly workersBytes: number;
  readonly coordinatorBytes: number;
  readonly totalBytes: number;
}

/** Resident memory of one worker process, which keeps the kernels of both of its functions. */
export function workerBytes({ functionMemoryBytes }: Pick<Pieces, "functionMemoryBytes">): number {
  return functionMemoryBytes.map + functionMemoryBytes.reduce + workerProcessBytes;
}

export function sortMemory(
  fleetBytes: number,
  { nodes, workers }: MachineUse,
  pieces: Pick<Pieces, "functionMemoryBytes">,
  spills: boolean,
): SortMemory {
  const nodeProcessesBytes = nodes * (nodeProcessBytes + (spills ? spillBufferBytes : 0));
  const workersBytes = workers * workerBytes(pieces);
  const totalBytes = fleetBytes + nodeProcessesBytes + workersBytes + coordinatorBytes;
  return { fleetBytes, nodeProcessesBytes, workersBytes, coordinatorBytes, totalBytes };
}

/** What the nodes may hold together, at most. @throws MayflyError OUT_OF_MEMORY when a fleet of the given size does not fit the machine */
export function fleetLimit(
  use: MachineUse,
  pieces: Pick<Pieces, "functionMemoryBytes">,
  spills: boolean,
  what: string,
): number {
  const { fleetMemoryBytes, machineFreeBytes } = use;
  if (machineFreeBytes === undefined) return fleetMemoryBytes ?? Number.MAX_SAFE_INTEGER;
  const beside = sortMemory(0, use, pieces, spills).totalBytes;
  const limit = Math.max(0, machineFreeBytes - beside);
  if (fleetMemoryBytes === undefined) return limit;
  if (fleetMemoryBytes <= limit) return fleetMemoryBytes;
  const needed = `${what} needs ${size(fleetMemoryBytes)} for the fleet and ${besideText(use, pieces)}`;
  throw outOfMemory(
    `${needed}, ${size(fleetMemoryBytes + beside)} in all, but ${size(machineFreeBytes)} may be used`,
    "lower --fleet-memory or --workers",
  );
}

export function besideText(
  { nodes, workers }: MachineUse,
  pieces: Pick<Pieces, "functionMemoryBytes">,
): string {
  return (
    `${nodes} x ${size(nodeProcessBytes)} for its processes, ${workers} x ${size(workerBytes(pieces))} for workers ` +
    `and ${size(coordinatorBytes)} for the controller`
  );
}
