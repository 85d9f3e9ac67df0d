/** The table of jobs that heartbeats bring to the nodes, and its versions. */
import type { JobTable, JobTableRow } from "../wire/control-api.ts";
import type { FleetState, Job } from "./fleet-state.ts";
import type { Vitals } from "./vitals.ts";

/** Versions of a term start here times the term: above all versions of the terms before, however often jobs changed. */
const versionsPerTerm = 2 ** 24;

export interface JobTables {
  /** The table of now; the same object, with the same version, until something in it changes. */
  current(state: FleetState): JobTable;
}

export function createJobTables(vitals: Vitals): JobTables {
  let table: JobTable = { version: 0, highest: 0, jobs: [] };
  let seenJobs: FleetState["jobs"] | undefined;

  const isOver = (job: number, quotaBytes: number): boolean =>
    quotaBytes > 0 && vitals.bytesOf(job) > quotaBytes;
  const rowOf = ({ number, quotaBytes, hints: { prefer } }: Job): JobTableRow => ({
    ...{ job: number, quotaBytes, overQuota: isOver(number, quotaBytes) },
    ...(prefer !== undefined && { prefer }),
  });

  /** Jobs change in more than what the table says: then it stays as it is, and no node has to hear of it. */
  function isStale({ jobs, highestJob }: FleetState): boolean {
    if (highestJob !== table.highest) return true;
    if (jobs === seenJobs)
      return table.jobs.some(({ job, quotaBytes, overQuota }) => isOver(job, quotaBytes) !== overQuota);
    seenJobs = jobs;
    return jobs.length !== table.jobs.length || jobs.some((job, at) => !isSame(rowOf(job), table.jobs[at]!));
  }

  return {
    current(state) {
      const versionMin = state.map.epoch.term * versionsPerTerm;
      if (isStale(state) || table.version < versionMin) {
        const version = Math.max(table.version + 1, versionMin);
        table = { version, highest: state.highestJob, jobs: state.jobs.map(rowOf) };
      }
      return table;
    },
  };
}

function isSame(a: JobTableRow, b: JobTableRow): boolean {
  return a.job === b.job && a.quotaBytes === b.quotaBytes && a.overQuota === b.overQuota;
}
