import { expect, test } from "vitest";
import { JobDirectory } from "../../cache-node/job-directory.ts";
import { jobNumber } from "../../src/ids.ts";

const code = (expected: string) => expect.objectContaining({ code: expected });
const row = (job: number, quotaBytes = 0, overQuota = false) => ({ job, quotaBytes, overQuota });

test("a job too new to be listed is taken to be alive; one that is listed no more has ended", () => {
  const jobs = new JobDirectory();
  const [one, two, new_] = [jobNumber(1), jobNumber(2), jobNumber(9)];
  jobs.adopt({ version: 3, highest: 2, jobs: [row(1), row(2)] });
  expect(jobs.version).toBe(3);
  for (const job of [one, two, new_]) jobs.touch(job);
  expect(jobs.adopt({ version: 4, highest: 8, jobs: [row(1)] })).toEqual([two]);
  expect([one, two, new_].map((job) => jobs.ended(job))).toEqual([false, true, false]);
  expect(() => jobs.touch(two)).toThrow(code("JOB_ENDED"));
  expect(jobs.known()).toEqual([one, new_]);
  // Only those that were known here are to be cleaned up, and only once.
  expect(jobs.adopt({ version: 5, highest: 9, jobs: [] })).toEqual([one, new_]);
  expect(jobs.adopt({ version: 6, highest: 9, jobs: [] })).toEqual([]);
});

test("what a backup notes is known but renews no lease", () => {
  const jobs = new JobDirectory();
  jobs.note(jobNumber(3));
  jobs.touch(jobNumber(4));
  jobs.touch(jobNumber(4));
  expect(jobs.known()).toEqual([3, 4]);
  expect(jobs.takeActive()).toEqual([4]);
  expect(jobs.takeActive()).toEqual([]);
});

test("quotas hold for what this node has, and for the sum that the controller saw", () => {
  const jobs = new JobDirectory();
  jobs.adopt({ version: 1, highest: 3, jobs: [row(1, 1000), row(2), row(3, 1000, true)] });
  jobs.checkQuota(jobNumber(1), 400, 600);
  expect(() => jobs.checkQuota(jobNumber(1), 400, 601)).toThrow(code("QUOTA_EXCEEDED"));
  jobs.checkQuota(jobNumber(2), 1e12, 1e12);
  expect(() => jobs.checkQuota(jobNumber(3), 0, 0)).toThrow(code("QUOTA_EXCEEDED"));
  jobs.checkQuota(jobNumber(7), 0, 1e12);
});

test("an operation after a heartbeat counts again, also of the job that was touched last", () => {
  const jobs = new JobDirectory();
  const [one, two] = [jobNumber(1), jobNumber(2)];
  for (const job of [one, two, two, one, one]) jobs.touch(job);
  expect(jobs.takeActive()).toEqual([1, 2]);
  jobs.touch(one);
  jobs.touch(one);
  expect(jobs.takeActive()).toEqual([1]);
  jobs.touch(two);
  jobs.touch(one);
  expect(jobs.takeActive()).toEqual([2, 1]);
});

test("a new table neither loses operations nor keeps later ones from counting", () => {
  const jobs = new JobDirectory();
  const one = jobNumber(1);
  jobs.touch(one);
  expect(jobs.adopt({ version: 1, highest: 1, jobs: [row(1)] })).toEqual([]);
  expect(jobs.takeActive()).toEqual([1]);
  jobs.touch(one);
  jobs.adopt({ version: 2, highest: 1, jobs: [row(1)] });
  jobs.touch(one);
  expect(jobs.takeActive()).toEqual([1]);
  expect(jobs.known()).toEqual([1]);
});

test("a table without the job that was touched last ends it", () => {
  const jobs = new JobDirectory();
  const one = jobNumber(1);
  jobs.adopt({ version: 1, highest: 1, jobs: [row(1)] });
  jobs.touch(one);
  expect(jobs.adopt({ version: 2, highest: 1, jobs: [] })).toEqual([one]);
  const touched = (): void => jobs.touch(one);
  for (let i = 0; i < 2; i++) expect(touched).toThrow(code("JOB_ENDED"));
  jobs.takeActive();
  expect(touched).toThrow(code("JOB_ENDED"));
  expect(jobs.takeActive()).toEqual([]);
  expect(jobs.known()).toEqual([]);
});
