/**
 * Names in the object store of what belongs to jobs; fleet-names.ts has those of their fleet. All that a fleet has there begins with its id, 16 hexadecimal digits, and what belongs to a job says so:
 *
 * - `FLEET/spill/job-N/ID`: objects that did not fit in memory, one or several in each. They go when the job ends.
 * - `FLEET/durable/job-N/NAME`: what the job's functions asked to keep. Nobody sweeps those.
 *
 * Only the manifest of the fleet, `manifests/FLEET.json`, lies elsewhere.
 */
import { type JobNumber, jobNumber } from "../ids.ts";

/** Begins the names of all that was spilled for the job, or, without a job, for the fleet. */
export function spillPrefix(fleet: string, job?: JobNumber): string {
  return job === undefined ? `${fleet}/spill/` : `${fleet}/spill/job-${job}/`;
}

/** @param id of the stored object: no slashes */
export function spillName(fleet: string, job: JobNumber, id: string): string {
  return spillPrefix(fleet, job) + id;
}

/** Begins the names of the job's durable objects. */
export function durablePrefix(fleet: string, job: JobNumber): string {
  return `${fleet}/durable/job-${job}/`;
}

/** Whether functions of the job may read what has this name. */
export function belongsTo(name: string, fleet: string, job: JobNumber): boolean {
  const prefix = [spillPrefix(fleet, job), durablePrefix(fleet, job)].find((begin) => name.startsWith(begin));
  if (prefix === undefined) return false;
  // A store may take `..` for the way out of the prefix.
  return name
    .slice(prefix.length)
    .split("/")
    .every((segment) => segment !== "" && segment !== "." && segment !== "..");
}

/** Begins the names of the manifests of all fleets, so that they can be listed without all the rest. */
export const manifestPrefix = "manifests/";

/** A small object that says that the fleet lives, and which jobs. */
export function manifestName(fleet: string): string {
  return `${manifestPrefix}${fleet}.json`;
}

/** The fleet and the job of something that was spilled; undefined for any other name. */
export function spilledFor(name: string): { readonly fleet: string; readonly job: JobNumber } | undefined {
  const [, fleet, job] = /^([0-9a-f]{16})\/spill\/job-([1-9]\d{0,9})\/[^/]+$/.exec(name) ?? [];
  if (fleet === undefined || Number(job) >= 2 ** 32) return undefined;
  return { fleet, job: jobNumber(Number(job)) };
}
