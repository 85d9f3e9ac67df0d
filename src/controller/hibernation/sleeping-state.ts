/** The state of a fleet that goes to sleep, sleeps and wakes: each step takes a state and returns the next. */
import type { NodeId } from "../../ids.ts";
import type { Epoch, FleetMap } from "../../placement/types.ts";
import { type FleetState, noReplacement, noSleep, type Sleep } from "../fleet-state.ts";

/** `awake` also while objects are only being moved to the object store. */
export type SleepStage = "awake" | "storing" | "asleep" | "waking";

/** A fleet that should sleep has no nodes; the first that joins begins to wake it. */
export function sleepStage({ map }: FleetState): SleepStage {
  if (map.hibernation === undefined) return "awake";
  if (map.hibernation.state === "storing") return "storing";
  return map.nodes.some((node) => node.state !== "dead") ? "waking" : "asleep";
}

/** Cells stand still from the next epoch on, and each primary writes its own to the object store. */
export function beginStoring(state: FleetState): FleetState {
  const { term, n } = state.map.epoch;
  // The epoch that this change becomes: no other hibernation ever has the same.
  return withHibernation(state, { state: "storing", token: { term, n: n + 1 } });
}

/** The fleet goes on as if nothing had been. */
export function stayAwake(state: FleetState): FleetState {
  return state.map.hibernation === undefined ? state : withHibernation(state, undefined);
}

/** What the rows hold is stored under the token of the map: all nodes may go. */
export function fallAsleep(state: FleetState, sleep: Sleep): FleetState {
  const { hibernation } = state.map;
  if (hibernation?.state !== "storing") throw new RangeError("only what is stored may sleep");
  const ids = state.map.nodes.map((node) => node.id);
  const rows = state.map.rows.map((row) => ({
    ...row,
    generation: row.generation + 1,
    nodes: [],
    joining: [],
  }));
  const map: FleetMap = {
    ...state.map,
    nodes: [],
    rows,
    hibernation: { state: "loading", token: hibernation.token },
  };
  return {
    ...{ ...state, map, sleep, target: undefined },
    jobs: state.jobs.map((job) => (job.nodesLost === 0 ? job : { ...job, nodesLost: 0 })),
    ...{ gone: [], drains: [], replacing: noReplacement },
    drained: drainedWith(state, ids),
  };
}

/** All rows hold again what was stored, on all of their members. */
export function endSleep(state: FleetState): FleetState {
  return { ...withHibernation(state, undefined), sleep: noSleep };
}

/** The token of what is stored for the fleet; undefined when nothing is needed any more. */
export function sleepToken({ map }: FleetState): Epoch | undefined {
  return map.hibernation?.token;
}

/** Whether the nodes of two states are other nodes, or in other states. Their weights do not matter. */
export function nodesDiffer(a: FleetMap, b: FleetMap): boolean {
  if (a.nodes === b.nodes) return false;
  if (a.nodes.length !== b.nodes.length) return true;
  return a.nodes.some((node, at) => node.id !== b.nodes[at]!.id || node.state !== b.nodes[at]!.state);
}

function withHibernation(state: FleetState, hibernation: FleetMap["hibernation"]): FleetState {
  const { hibernation: _, ...map } = state.map;
  return { ...state, map: hibernation === undefined ? map : { ...map, hibernation } };
}

/** All of them end with success, however many they are. */
function drainedWith({ drained }: FleetState, ids: readonly NodeId[]): readonly NodeId[] {
  const most = Math.max(256, ids.length);
  return [...drained, ...ids].slice(-most);
}
