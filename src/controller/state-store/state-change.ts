/** The difference between two states, so that a journal writes what changed and not everything. */
import type { NodeId } from "../../ids.ts";
import type { FleetMap } from "../../placement/types.ts";
import {
  type Drain,
  type EndedJob,
  endedJobsMax,
  type FleetState,
  type Job,
  type NodeInstance,
  type Replacement,
  type Sleep,
} from "../fleet-state.ts";

export interface StateChange {
  readonly formed?: boolean;
  readonly map?: FleetMap;
  readonly highestNode?: number;
  readonly highestJob?: number;
  /** New jobs, and new values of known ones. */
  readonly jobs?: readonly Job[];
  /** They are no longer among the jobs; the oldest are forgotten beyond `endedJobsMax`. */
  readonly ended?: readonly EndedJob[];
  readonly gone?: readonly NodeId[];
  readonly drains?: readonly Drain[];
  readonly drained?: readonly NodeId[];
  readonly desired?: number;
  readonly replacing?: Replacement;
  readonly instances?: readonly NodeInstance[];
  readonly sleep?: Sleep;
}

/** `applyChange(state, changeBetween(state, next))` equals `next`, but for what is not stored. States are compared by reference, part by part. */
export function changeBetween(state: FleetState, next: FleetState): StateChange {
  const knownJobs = new Set(state.jobs);
  const knownEnded = new Set(state.ended.map((job) => job.number));
  const jobs = next.jobs.filter((job) => !knownJobs.has(job));
  const ended = next.ended.filter((job) => !knownEnded.has(job.number));
  return {
    ...(next.formed === state.formed ? {} : { formed: next.formed }),
    ...(next.map === state.map ? {} : { map: next.map }),
    ...(next.highestNode === state.highestNode ? {} : { highestNode: next.highestNode }),
    ...(next.highestJob === state.highestJob ? {} : { highestJob: next.highestJob }),
    ...(jobs.length === 0 ? {} : { jobs }),
    ...(ended.length === 0 ? {} : { ended }),
    ...(next.gone === state.gone ? {} : { gone: next.gone }),
    ...(next.drains === state.drains ? {} : { drains: next.drains }),
    ...(next.drained === state.drained ? {} : { drained: next.drained }),
    ...(next.desired === state.desired ? {} : { desired: next.desired }),
    ...(next.replacing === state.replacing ? {} : { replacing: next.replacing }),
    ...(next.instances === state.instances ? {} : { instances: next.instances }),
    ...(next.sleep === state.sleep ? {} : { sleep: next.sleep }),
  };
}

export function applyChange(state: FleetState, change: StateChange): FleetState {
  const { jobs: changedJobs = [], ended = [], ...fields } = change;
  const jobs = new Map(state.jobs.map((job) => [job.number, job]));
  for (const job of changedJobs) jobs.set(job.number, job);
  for (const job of ended) jobs.delete(job.number);
  return {
    ...state,
    ...fields,
    jobs: [...jobs.values()].sort((a, b) => a.number - b.number),
    ended: [...state.ended, ...ended].slice(-endedJobsMax),
  };
}
