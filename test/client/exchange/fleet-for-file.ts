/** One fleet for the tests of a file; each test has a job of its own, and as many clients of it as it asks for. */
import { afterAll, beforeAll } from "vitest";
import type { Job } from "../../../client/job.ts";
import { type InProcessFleet, startInProcessFleet } from "../../support/in-process-fleet.ts";

export interface FleetForFile {
  readonly fleet: InProcessFleet;
  /** A new job, as so many clients see it. */
  clients(count: number): Promise<Job[]>;
}

export function fleetForFile(): FleetForFile {
  let fleet: InProcessFleet | undefined;
  beforeAll(async () => {
    fleet = await startInProcessFleet({ nodes: 3 });
  });
  afterAll(async () => await fleet?.stop());
  return {
    get fleet() {
      return fleet!;
    },
    async clients(count) {
      const { ticket } = await fleet!.createJob();
      return await Promise.all(Array.from({ length: count }, () => fleet!.connect(ticket)));
    },
  };
}
