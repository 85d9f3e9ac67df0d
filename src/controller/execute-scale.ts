/** Acts on plan-size.ts: starts nodes through the provisioner and drains those that are too many. */
import { MayflyError } from "../errors.ts";
import type { RestartProgress, ScaleProgress } from "../wire/control-api.ts";
import type { Fleet } from "./fleet.ts";
import { activeNodes, drainNode, type FleetState } from "./fleet-state.ts";
import { drainObstacle, type Room } from "./plan-drain.ts";
import { planSize, type SizeInventory, sizeWanted } from "./plan-size.ts";
import type { Provisioner } from "./provisioners/provisioner.ts";
import { isSettled, rowsMoving } from "./relocation-progress.ts";

export interface Scaler {
  /** Looks what is to be done and begins it; called by the controller's clockwork. */
  look(): void;
  /** Sets the size; nodes start and go from now on. @throws MayflyError INVALID_ARGUMENT when nobody starts nodes */
  scaleTo(nodes: number): Promise<ScaleProgress>;
  scaleProgress(): ScaleProgress;
  /** Begins to replace all nodes of now; one that is under way goes on with the nodes of now. */
  restart(): Promise<RestartProgress>;
  restartProgress(): RestartProgress;
  /** Starts and drains no more. */
  stop(): void;
}

const retryMsMin = 1000;
const retryMsMax = 30_000;

/** @param url where nodes reach this controller */
export function createScaler(fleet: Fleet, provisioner: Provisioner, url: string): Scaler {
  const { clock, log, nodeMemoryBytes } = fleet.settings;
  const { startsNodes } = provisioner;
  let starting = 0;
  let failures = 0;
  let failure = "";
  let retryAtMs = Number.NEGATIVE_INFINITY;
  let draining = false;
  let stopped = false;

  /** Of a node that is started now: like the newest, when nobody has said. */
  function memoryBytes(): number {
    const limits = activeNodes(fleet.state).map(({ id }) => limitOf(fleet, id));
    return nodeMemoryBytes ?? limits.findLast((bytes) => bytes > 0) ?? 0;
  }

  function inventory(): SizeInventory {
    const waitMs = retryAtMs - clock.now();
    const size = memoryBytes();
    const unknown =
      size === 0 ? "nobody has said how large nodes are, and there is none to compare with" : undefined;
    const again = `a node did not start: ${failure}; the next attempt is in ${Math.ceil(waitMs / 1000)} s`;
    return {
      ...roomOf(fleet),
      ...{ canStart: startsNodes, starting, isSettled: isSettled(fleet) },
      startFault: waitMs > 0 ? again : unknown,
      startCommand: `mayfly node --controller ${url}${size === 0 ? "" : ` --memory ${size}`}`,
    };
  }

  async function startOne(): Promise<void> {
    starting++;
    try {
      const node = await provisioner.start({ controllerUrl: url, memoryBytes: memoryBytes() });
      failures = 0;
      log(`${node.name} was started as a node`);
    } catch (thrown) {
      failure = MayflyError.from(thrown).message;
      retryAtMs = clock.now() + Math.min(retryMsMax, retryMsMin * 2 ** failures++);
      if (!stopped) log(`a node did not start: ${failure}`);
    } finally {
      starting--;
      fleet.alarm.ring(0);
    }
  }

  async function drain(ids: readonly number[]): Promise<void> {
    draining = true;
    try {
      await fleet.change((state) => {
        // Decided again in turn: a job may have begun.
        const gone = new Set(ids);
        if (drainObstacle(state, gone, roomOf(fleet)) !== undefined) return state;
        const going = activeNodes(state).filter((node) => gone.has(node.id));
        return going.reduce((at, node) => drainNode(at, node.id, 0), state);
      });
      log(`nodes ${ids.join(", ")} are drained: they are too many, or to be replaced`);
    } catch (thrown) {
      log(`nodes ${ids.join(", ")} cannot be drained now: ${MayflyError.from(thrown).message}`);
    } finally {
      draining = false;
    }
  }

  function scaleProgress(): ScaleProgress {
    const { state } = fleet;
    const { reasons, blocked } = planSize(state, inventory());
    const [active, moving] = [activeNodes(state).length, rowsMoving(state)];
    const counts = { desired: state.desired, active, starting, draining: state.drains.length };
    const isQuiet = starting === 0 && state.drains.length === 0 && moving === 0;
    const done = isQuiet && (state.desired === 0 || state.desired === active);
    return {
      ...counts,
      rowsMoving: moving,
      done,
      blocked: blocked && isQuiet && !done,
      reasons: [...reasons],
    };
  }

  function restartProgress(): RestartProgress {
    const { state } = fleet;
    const { left, total } = state.replacing;
    const draining = state.drains.map((drain) => drain.node);
    const done = left.length === 0 && starting === 0 && rowsMoving(state) === 0;
    const { reasons } = planSize(state, inventory());
    return {
      total,
      left: [...left],
      draining,
      starting,
      done,
      reasons: left.length === 0 ? [] : [...reasons],
    };
  }

  return {
    look() {
      if (stopped || fleet.ledger.fencedBy !== undefined || sizeWanted(fleet.state) === 0) return;
      const { starts, drains } = planSize(fleet.state, inventory());
      for (let i = 0; i < starts; i++) void startOne();
      if (drains.length > 0 && !draining) void drain(drains);
    },
    async scaleTo(nodes) {
      const { length } = activeNodes(fleet.state);
      if (!startsNodes && nodes > length) {
        throw new MayflyError(
          "INVALID_ARGUMENT",
          `this controller does not start nodes itself, and ${length} of ${nodes} are active; start each of the others ` +
            `by hand: ${inventory().startCommand}`,
        );
      }
      await fleet.change((state) => (state.desired === nodes ? state : { ...state, desired: nodes }));
      log(`the fleet should have ${nodes} nodes`);
      fleet.alarm.ring(0);
      return scaleProgress();
    },
    scaleProgress,
    async restart() {
      await fleet.change((state) => {
        const left = activeNodes(state).map((node) => node.id);
        return { ...state, replacing: { left, total: left.length, size: sizeAfter(state, left.length) } };
      });
      log(`nodes ${fleet.state.replacing.left.join(", ")} are to be replaced, one after the other`);
      fleet.alarm.ring(0);
      return restartProgress();
    },
    restartProgress,
    stop() {
      stopped = true;
    },
  };
}

/** A restart that is asked for while another is between two nodes must not grow the fleet. */
function sizeAfter({ replacing }: FleetState, active: number): number {
  return replacing.left.length > 0 ? replacing.size : active;
}

/** What nodes hold and can hold, by their last heartbeats. */
export function roomOf(fleet: Fleet): Room {
  return {
    usedBytes: (node) => fleet.vitals.node(node)?.report.usedBytes ?? 0,
    limitBytes: (node) => limitOf(fleet, node),
  };
}

function limitOf(fleet: Fleet, node: number): number {
  return fleet.vitals.node(node)?.report.limitBytes ?? 0;
}
