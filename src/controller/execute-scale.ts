/** Acts on plan-size.ts: gives the fleet the size that somebody asked for, and replaces nodes one after the other. */
import { MayflyError } from "../errors.ts";
import type { RestartProgress, ScaleProgress } from "../wire/control-api.ts";
import type { Fleet } from "./fleet.ts";
import { activeNodes, type FleetState } from "./fleet-state.ts";
import { type NodeSupply, roomOf } from "./node-supply.ts";
import { planSize, type SizeInventory, sizeWanted } from "./plan-size.ts";
import { isSettled, rowsMoving } from "./relocation-progress.ts";

export interface Scaler {
  /** Looks what is to be done and begins it; called by the controller's clockwork. */
  look(): void;
  /**
   * Sets the size; nodes start and go from now on. With an autoscaler the size is pinned until it is set to 0.
   *
   * @throws MayflyError INVALID_ARGUMENT when nobody starts nodes, or for a size that cannot be
   */
  scaleTo(nodes: number): Promise<ScaleProgress>;
  scaleProgress(): ScaleProgress;
  /** Begins to replace all nodes of now; one that is under way goes on with the nodes of now. */
  restart(): Promise<RestartProgress>;
  restartProgress(): RestartProgress;
}

/** @param url where nodes reach this controller */
export function createScaler(fleet: Fleet, supply: NodeSupply, url: string): Scaler {
  const { log, autoscale } = fleet.settings;

  function inventory(): SizeInventory {
    const size = supply.memoryBytes();
    return {
      ...roomOf(fleet),
      ...{ canStart: supply.canStart, starting: supply.starting.length, isSettled: isSettled(fleet) },
      startFault: supply.startFault,
      startCommand: `mayfly node --controller ${url}${size === 0 ? "" : ` --memory ${size}`}`,
    };
  }

  function checkSize(nodes: number): void {
    if (nodes === 0 && autoscale === undefined) {
      throw new MayflyError(
        "INVALID_ARGUMENT",
        "this controller has no autoscaler that could decide the size; name one (mayfly scale NODES), or start it with " +
          "mayfly controller --autoscale MIN..MAX",
      );
    }
    if (autoscale !== undefined && nodes > autoscale.nodesMax) {
      throw new MayflyError(
        "INVALID_ARGUMENT",
        `${nodes} nodes are more than the ${autoscale.nodesMax} that this controller may start (--autoscale)`,
      );
    }
    const { length } = activeNodes(fleet.state);
    if (supply.canStart || nodes <= length) return;
    throw new MayflyError(
      "INVALID_ARGUMENT",
      `this controller does not start nodes itself, and ${length} of ${nodes} are active; start each of the others ` +
        `by hand: ${inventory().startCommand}`,
    );
  }

  function scaleProgress(): ScaleProgress {
    const { state } = fleet;
    const { reasons, blocked } = planSize(state, inventory());
    const [active, moving] = [activeNodes(state).length, rowsMoving(state)];
    const starting = supply.starting.length;
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
    const starting = supply.starting.length;
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
      if (fleet.ledger.fencedBy !== undefined || sizeWanted(fleet.state) === 0) return;
      const { starts, drains } = planSize(fleet.state, inventory());
      supply.start(starts);
      if (drains.length > 0 && !supply.isDraining) void supply.drain(drains);
    },
    async scaleTo(nodes) {
      checkSize(nodes);
      await fleet.change((state) => (state.desired === nodes ? state : { ...state, desired: nodes }));
      log(nodes === 0 ? "the autoscaler decides the size" : `the fleet should have ${nodes} nodes`);
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
  };
}

/** A restart that is asked for while another is between two nodes must not grow the fleet. */
function sizeAfter({ replacing }: FleetState, active: number): number {
  return replacing.left.length > 0 ? replacing.size : active;
}
