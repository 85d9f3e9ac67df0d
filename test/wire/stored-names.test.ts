import fc from "fast-check";
import { expect, test } from "vitest";
import { jobNumber } from "../../src/ids.ts";
import { belongsTo, durablePrefix, spillName, spillPrefix } from "../../src/wire/stored-names.ts";

const fleet = "00112233445566aa";
const fleets = fc.constantFrom(fleet, "aa112233445566aa");
const jobs = fc.constantFrom(1, 2, 12, 121, 2 ** 32 - 1).map(jobNumber);
const ids = fc.stringMatching(/^[a-z0-9-]{1,20}$/);

test("names belong to the job and the fleet that they were made for, and to no other", () => {
  fc.assert(
    fc.property(fleets, jobs, ids, fleets, jobs, (fleet, job, id, otherFleet, otherJob) => {
      const isOwn = otherFleet === fleet && otherJob === job;
      for (const name of [spillName(fleet, job, id), `${durablePrefix(fleet, job)}frames/${id}`]) {
        expect(belongsTo(name, fleet, job)).toBe(true);
        expect(belongsTo(name, otherFleet, otherJob)).toBe(isOwn);
      }
      expect(spillName(fleet, job, id).startsWith(spillPrefix(fleet))).toBe(true);
    }),
  );
});

test("no name leads out of the part of the store that is the job's", () => {
  const job = jobNumber(7);
  const outside = ["..", ".", "", "../job-8/x", "a/../../job-8/x", "a//b", "a/./b", "a/", "a/.."];
  for (const begin of [spillPrefix(fleet, job), durablePrefix(fleet, job)]) {
    for (const rest of outside) expect(belongsTo(begin + rest, fleet, job), begin + rest).toBe(false);
    expect(belongsTo(`${begin}a/b..c/.d`, fleet, job)).toBe(true);
  }
  for (const name of [`${fleet}/journal/x`, `${fleet}/spill/job-7`, `${fleet}/spill/job-77/x`, "x"]) {
    expect(belongsTo(name, fleet, job), name).toBe(false);
  }
});
