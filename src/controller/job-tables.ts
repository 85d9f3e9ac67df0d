/** The table of jobs that heartbeats bring to the nodes, and its versions. */
import type { JobTable } from "../wire/control-api.ts";
import type { FleetState } from "./fleet-state.ts";
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
  return {
    current(state) {
      const { jobs, highestJob } = state;
      const isOver = (number: number, quotaBytes: number): boolean =>
        quotaBytes > 0 && vitals.bytesOf(number) > quotaBytes;
      const stale =
        jobs !== seenJobs ||
        highestJob !== table.highest ||
        table.jobs.some((row) => isOver(row.job, row.quotaBytes) !== row.overQuota);
      const versionMin = state.map.epoch.term * versionsPerTerm;
      if (stale || table.version < versionMin) {
        seenJobs = jobs;
        table = {
          version: Math.max(table.version + 1, versionMin),
          highest: highestJob,
          jobs: jobs.map(({ number, quotaBytes }) => ({
            job: number,
            quotaBytes,
            overQuota: isOver(number, quotaBytes),
          })),
        };
      }
      return table;
    },
  };
}
