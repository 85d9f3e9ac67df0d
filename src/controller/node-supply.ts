/**
 * Starts nodes through the provisioner, drains those that are too many, and keeps those that are needed after all: the one place
 * that does, whoever decided it. What is under way here is forgotten with the process; what drains is in the state.
 */
import { MayflyError } from "../errors.ts";
import type { Fleet } from "./fleet.ts";
import { activeNodes, cancelDrain, drainNode } from "./fleet-state.ts";
import { drainObstacle, type Room } from "./plan-drain.ts";
import type { ProvisionedNode, Provisioner } from "./provisioners/provisioner.ts";

/** A node that was asked for and has not registered yet, as far as is known. */
export interface NodeOrder {
  /** For people and logs: no node's id. */
  readonly id: string;
  /** Of the monotonic clock. */
  readonly orderedAtMs: number;
}

export interface NodeSupply {
  /** False when nodes are started by hand. */
  readonly canStart: boolean;
  readonly starting: readonly NodeOrder[];
  /** Why no node can be started just now; undefined when one can. */
  readonly startFault: string | undefined;
  /** Drains are being written down: no others are begun meanwhile. */
  readonly isDraining: boolean;
  /** Of a node that is started now; 0 when nobody has said and there is none to compare with. */
  memoryBytes(): number;
  /** Orders nodes and does not wait for them; what fails is in the log and in `startFault`. */
  start(count: number): void;
  /** Orders one node and waits until it serves. @throws MayflyError NODE_UNREACHABLE, INVALID_ARGUMENT */
  startOne(): Promise<ProvisionedNode>;
  /** Gives orders up. One that comes all the same is a node like the others. */
  giveUp(orders: readonly string[]): void;
  /** Drains as many of these, in order, as the others can do without; never rejects. */
  drain(nodes: readonly number[]): Promise<void>;
  /** Whether a drain is from here, and nobody has given it a deadline: it may be called off. */
  mayKeep(node: number): boolean;
  /** Calls drains off; never rejects. */
  keep(nodes: readonly number[]): Promise<void>;
  /** Starts, drains and keeps no more. */
  stop(): void;
}

const retryMsMin = 1000;
const retryMsMax = 30_000;

/** @param url where nodes reach this controller */
export function createNodeSupply(fleet: Fleet, provisioner: Provisioner, url: string): NodeSupply {
  const { clock, log, nodeMemoryBytes } = fleet.settings;
  const orders = new Map<string, NodeOrder & { readonly abort: AbortController }>();
  /** Drained from here; some may have gone since. */
  const drained = new Set<number>();
  let orderCount = 0;
  let failures = 0;
  let failure = "";
  let retryAtMs = Number.NEGATIVE_INFINITY;
  let isDraining = false;
  let stopped = false;

  /** Like the newest, when nobody has said. */
  function memoryBytes(): number {
    const limits = activeNodes(fleet.state).map(({ id }) => fleet.vitals.node(id)?.report.limitBytes ?? 0);
    return nodeMemoryBytes ?? limits.findLast((bytes) => bytes > 0) ?? fleet.state.sleep.nodeBytes;
  }

  async function startOne(): Promise<ProvisionedNode> {
    const id = `start-${++orderCount}`;
    const abort = new AbortController();
    orders.set(id, { id, orderedAtMs: clock.now(), abort });
    try {
      const { signal } = abort;
      return await provisioner.start({ controllerUrl: url, memoryBytes: memoryBytes(), signal });
    } finally {
      orders.delete(id);
      fleet.alarm.ring(0);
    }
  }

  async function startUnattended(): Promise<void> {
    try {
      const node = await startOne();
      failures = 0;
      log(`${node.name} was started as a node`);
    } catch (thrown) {
      failure = MayflyError.from(thrown).message;
      retryAtMs = clock.now() + Math.min(retryMsMax, retryMsMin * 2 ** failures++);
      if (!stopped) log(`a node did not start: ${failure}`);
    }
  }

  return {
    canStart: provisioner.startsNodes,
    get starting() {
      return [...orders.values()];
    },
    get startFault() {
      const waitMs = retryAtMs - clock.now();
      if (waitMs > 0)
        return `a node did not start: ${failure}; the next attempt is in ${Math.ceil(waitMs / 1000)} s`;
      if (memoryBytes() > 0) return undefined;
      return "nobody has said how large nodes are, and there is none to compare with";
    },
    get isDraining() {
      return isDraining;
    },
    memoryBytes,
    start(count) {
      for (let i = 0; i < count && !stopped; i++) void startUnattended();
    },
    startOne,
    giveUp(ids) {
      for (const id of ids) {
        orders.get(id)?.abort.abort();
        if (orders.delete(id)) log(`${id} is given up: it should have been there long ago`);
      }
    },
    async drain(nodes) {
      if (stopped) return;
      isDraining = true;
      try {
        let going: readonly number[] = [];
        await fleet.change((state) => {
          // Decided again in turn: a job may have begun.
          const gone = new Set(nodes);
          if (drainObstacle(state, gone, roomOf(fleet)) !== undefined) return state;
          const entries = activeNodes(state).filter((node) => gone.has(node.id));
          going = entries.map((node) => node.id);
          return entries.reduce((at, node) => drainNode(at, node.id, 0), state);
        });
        for (const id of drained) if (!isDrainingNow(fleet, id)) drained.delete(id);
        for (const id of going) drained.add(id);
        if (going.length > 0)
          log(`nodes ${going.join(", ")} are drained: they are too many, or to be replaced`);
      } catch (thrown) {
        log(`nodes ${nodes.join(", ")} cannot be drained now: ${MayflyError.from(thrown).message}`);
      } finally {
        isDraining = false;
      }
    },
    mayKeep: (node) => drained.has(node) && isDrainingNow(fleet, node),
    async keep(nodes) {
      if (stopped) return;
      try {
        await fleet.change((state) => {
          const kept = state.drains.filter((drain) => nodes.includes(drain.node));
          return kept.reduce((at, drain) => cancelDrain(at, drain.node), state);
        });
        for (const id of nodes) drained.delete(id);
        log(`nodes ${nodes.join(", ")} are no longer drained: they are needed`);
      } catch (thrown) {
        log(`the drains of nodes ${nodes.join(", ")} go on: ${MayflyError.from(thrown).message}`);
      }
    },
    stop() {
      stopped = true;
    },
  };
}

/** What nodes hold, as far as cleaning cannot help, and can hold, by their last heartbeats. */
export function roomOf({ vitals }: Fleet): Room {
  return {
    usedBytes: (node) => vitals.claimedBytesOf(node),
    limitBytes: (node) => vitals.node(node)?.report.limitBytes ?? 0,
  };
}

/** Without a deadline: whoever gave one knows that the node will go. */
function isDrainingNow({ state }: Fleet, node: number): boolean {
  return state.drains.some((drain) => drain.node === node && drain.deadlineAtMs === 0);
}
