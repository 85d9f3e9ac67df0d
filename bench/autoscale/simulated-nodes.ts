/**
 * The nodes of a simulated fleet, and where their bytes are. New bytes go to active nodes by weight, as the controller sets it:
 * 100, from 90 % full on 10, from 97 % on none. What a job holds is taken to lie evenly mixed with all others' bytes, so that
 * its end frees the same share of every node.
 */

export interface SimulatedNode {
  readonly id: string;
  readonly startedAtMs: number;
  state: "starting" | "active" | "draining";
  usedBytes: number;
  /** In and out, since the last look. */
  movedBytes: number;
}

export interface NodesShape {
  readonly nodeMemoryBytes: number;
  readonly nodeBytesPerSecond: number;
  readonly startMs: number;
  /** What a draining node sends to the others. */
  readonly drainBytesPerSecond: number;
}

export interface SimulatedNodes {
  readonly all: readonly SimulatedNode[];
  readonly starts: number;
  readonly stops: number;
  usedBytes(): number;
  activeLimitBytes(): number;
  /** Takes as much of `bytes` as there is room and speed for in `seconds`, and says how much. */
  write(bytes: number, seconds: number): number;
  /** Of the bytes of all jobs. */
  free(bytes: number): void;
  order(count: number, nowMs: number): void;
  keep(ids: readonly string[]): void;
  drain(ids: readonly string[]): void;
  /** Nodes that have started take part, and drains go on. */
  pass(nowMs: number, seconds: number): void;
}

const nearlyFullShare = 0.9;
const fullShare = 0.97;

export function createSimulatedNodes(
  shape: NodesShape,
  initial: number,
  startMsOf: () => number,
): SimulatedNodes {
  const { nodeMemoryBytes, nodeBytesPerSecond } = shape;
  const fullBytes = fullShare * nodeMemoryBytes;
  let nodes: SimulatedNode[] = [];
  const readyAtMs = new Map<string, number>();
  let numbers = 0;
  let weights = new Float64Array(0);
  let starts = 0;
  let stops = 0;
  const add = (state: "starting" | "active", nowMs: number): void => {
    numbers++;
    const id = `n${numbers}`;
    nodes.push({ id, state, startedAtMs: nowMs, usedBytes: 0, movedBytes: 0 });
    if (state === "starting") readyAtMs.set(id, nowMs + startMsOf());
  };
  for (let count = 0; count < initial; count++) add("active", 0);
  const setState = (ids: readonly string[], from: string, to: SimulatedNode["state"]): void => {
    const named = new Set(ids);
    for (const node of nodes) if (named.has(node.id) && node.state === from) node.state = to;
  };
  const weightOf = ({ state, usedBytes }: SimulatedNode): number => {
    if (state !== "active" || usedBytes >= fullBytes) return 0;
    return usedBytes > nearlyFullShare * nodeMemoryBytes ? 10 : 100;
  };
  /** Shares bytes out by weight, nobody above its room or its speed; what is left over is tried again on the others. */
  const place = (bytes: number, seconds: number): number => {
    let left = bytes;
    if (weights.length < nodes.length) weights = new Float64Array(2 * nodes.length);
    const mostBytes = nodeBytesPerSecond * seconds;
    for (let pass = 0; pass < 4 && left > 1; pass++) {
      let sum = 0;
      for (let at = 0; at < nodes.length; at++) {
        const weight = weightOf(nodes[at]!);
        weights[at] = weight;
        sum += weight;
      }
      if (sum === 0) break;
      const unit = left / sum;
      for (let at = 0; at < nodes.length; at++) {
        const weight = weights[at]!;
        if (weight === 0) continue;
        const node = nodes[at]!;
        const speed = Math.max(0, mostBytes - node.movedBytes);
        const taken = Math.min(unit * weight, fullBytes - node.usedBytes, speed);
        node.usedBytes += taken;
        node.movedBytes += taken;
        left -= taken;
      }
    }
    return bytes - Math.max(0, left);
  };
  return {
    get all() {
      return nodes;
    },
    get starts() {
      return starts;
    },
    get stops() {
      return stops;
    },
    usedBytes: () => nodes.reduce((sum, node) => sum + node.usedBytes, 0),
    activeLimitBytes: () => nodes.filter(({ state }) => state === "active").length * nodeMemoryBytes,
    write: place,
    free(bytes) {
      const used = nodes.reduce((sum, node) => sum + node.usedBytes, 0);
      if (used === 0) return;
      const kept = Math.max(0, 1 - bytes / used);
      for (const node of nodes) node.usedBytes *= kept;
    },
    order(count, nowMs) {
      starts += count;
      for (let each = 0; each < count; each++) add("starting", nowMs);
    },
    keep: (ids) => setState(ids, "draining", "active"),
    drain: (ids) => setState(ids, "active", "draining"),
    pass(nowMs, seconds) {
      for (const node of nodes) {
        node.movedBytes = 0;
        if (node.state === "starting" && readyAtMs.get(node.id)! <= nowMs) {
          node.state = "active";
          readyAtMs.delete(node.id);
        }
      }
      let gone = false;
      for (const node of nodes) {
        if (node.state !== "draining") continue;
        const moved = place(Math.min(node.usedBytes, shape.drainBytesPerSecond * seconds), seconds);
        node.usedBytes -= moved;
        node.movedBytes += moved;
        if (node.usedBytes < 1) gone = true;
      }
      if (!gone) return;
      const before = nodes.length;
      nodes = nodes.filter((node) => node.state !== "draining" || node.usedBytes >= 1);
      stops += before - nodes.length;
    },
  };
}
