import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  planPack,
  planSpill,
  type SpillJob,
  type SpillObject,
  type SpillPolicy,
  type SpillPreference,
  spillPolicyFor,
} from "../../../cache-node/spill/plan-spill.ts";
import { type JobNumber, jobNumber } from "../../../src/ids.ts";

const mebibyte = 2 ** 20;
const policy: SpillPolicy = {
  highRatio: 0.8,
  lowRatio: 0.7,
  urgentRatio: 0.9,
  packBytes: 1000,
  wholeBytesMax: 1000,
};

/** Lines of a scenario are what is done; below ---- is each of them again, with what was decided. */
function run(scenario: string): string {
  const lines = scenario.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  let spilling = false;
  const jobs = new Map<JobNumber, { prefer: SpillPreference; objects: SpillObject[] }>();
  let order = 0;
  const played = lines.flatMap((line) => {
    const [verb, ...words] = line.split(" ");
    const options = Object.fromEntries(words.map((word) => word.split("=") as [string, string]));
    if (verb === "memory") {
      const memory = {
        limitBytes: 1000,
        claimedBytes: Number(options["claimed"]),
        leavingBytes: Number(options["leaving"] ?? 0),
      };
      const need = planSpill(memory, policy, spilling);
      spilling = need.spilling;
      const what = need.spilling ? `spill ${need.bytes}${need.urgent ? ", urgently" : ""}` : "nothing";
      return [line, `  ${what}`];
    }
    if (verb === "objects") {
      const job = jobNumber(Number(options["job"]));
      const known = jobs.get(job) ?? { prefer: options["prefer"] as SpillPreference, objects: [] };
      for (const size of options["sizes"]!.split(",").map(Number)) {
        known.objects.push({ order: ++order, framedBytes: size, storedBytes: size * 1.5 });
      }
      jobs.set(job, known);
      return [line];
    }
    if (verb !== "pack") throw new Error(`no verb ${verb}`);
    const pack = planPack(
      [...jobs].map(([job, known]) => ({ job, ...known })),
      policy,
    );
    if (pack === undefined) return [line, "  nothing"];
    const known = jobs.get(pack.job)!;
    known.objects = known.objects.filter((object) => !pack.objects.includes(object));
    const which = pack.objects.map((object) => `${object.order}:${object.framedBytes}`).join(" ");
    return [line, `  job ${pack.job}, ${pack.framedBytes} bytes: ${which}`];
  });
  return played.join("\n");
}

test("the golden scenario", () => {
  const path = new URL("../../golden/spill-plan.txt", import.meta.url);
  const [scenario = "", expected] = readFileSync(path, "utf8").split("\n----\n");
  expect(run(scenario)).toBe(expected?.trimEnd());
});

describe("the size of a pack", () => {
  test.each([
    [64, 8],
    [160, 10],
    [1024, 16],
    [65_536, 16],
  ])("of a node of %i MiB is %i MiB", (limit, pack) => {
    expect(spillPolicyFor(limit * mebibyte).packBytes).toBe(pack * mebibyte);
  });
});

test("spilling begins above the high mark, ends at the low one, and asks for what lies between", () => {
  const memory = fc.record({
    limitBytes: fc.integer({ min: 1000, max: 1e9 }),
    claimed: fc.double({ min: 0, max: 1, noNaN: true }),
    leaving: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  fc.assert(
    fc.property(memory, fc.boolean(), ({ limitBytes, claimed, leaving }, spilling) => {
      const claimedBytes = Math.floor(claimed * limitBytes);
      const leavingBytes = Math.floor(leaving * claimedBytes);
      const need = planSpill({ limitBytes, claimedBytes, leavingBytes }, policy, spilling);
      const share = (claimedBytes - leavingBytes) / limitBytes;
      expect(need.spilling).toBe(share > (spilling ? 0.7 : 0.8));
      const after = (claimedBytes - leavingBytes - need.bytes) / limitBytes;
      if (need.spilling) expect(after).toBeLessThanOrEqual(0.7);
      if (need.spilling) expect(after).toBeGreaterThan(0.7 - 2 / limitBytes);
      else expect(need.bytes).toBe(0);
    }),
  );
});

describe("packs of any objects", () => {
  const object = fc.integer({ min: 0, max: 2500 });
  const preference = fc.constantFrom<SpillPreference>(undefined, "cost", "latency");
  const jobs = fc
    .array(fc.record({ prefer: preference, sizes: fc.array(object, { maxLength: 40 }) }), { maxLength: 6 })
    .map((list) => {
      let order = 0;
      return list.map(({ prefer, sizes }, at): SpillJob<SpillObject> => {
        const objects = sizes.map((framedBytes) => ({
          order: ++order,
          framedBytes,
          storedBytes: framedBytes,
        }));
        return { job: jobNumber(at + 1), prefer, objects };
      });
    });

  test("are of one job that prefers memory least, begin with its coldest object, and fit unless they are one object", () => {
    fc.assert(
      fc.property(jobs, (given) => {
        const pack = planPack(given, policy);
        const some = given.filter(({ objects }) => [...objects].length > 0);
        expect(pack === undefined).toBe(some.length === 0);
        if (pack === undefined) return;
        const from = given.find(({ job }) => job === pack.job)!;
        const rank = { cost: 0, none: 1, latency: 2 };
        const rankOf = ({ prefer }: SpillJob<SpillObject>): number => rank[prefer ?? "none"];
        expect(rankOf(from)).toBe(Math.min(...some.map(rankOf)));
        expect(pack.objects[0]).toBe([...from.objects][0]);
        const heads = some
          .filter((each) => rankOf(each) === rankOf(from))
          .map(({ objects }) => [...objects][0]!.order);
        expect(pack.objects[0]!.order).toBe(Math.min(...heads));
        const sum = pack.objects.reduce((bytes, { framedBytes }) => bytes + framedBytes, 0);
        expect(pack.framedBytes).toBe(sum);
        expect(new Set(pack.objects).size).toBe(pack.objects.length);
        const whole = pack.objects.filter(({ framedBytes }) => framedBytes > 0);
        expect(sum <= policy.packBytes || whole.length === 1).toBe(true);
      }),
    );
  });

  test("leave nothing out for ever: all objects go, each once", () => {
    fc.assert(
      fc.property(jobs, (given) => {
        const left = new Map(given.map((each) => [each.job, { ...each, objects: [...each.objects] }]));
        const count = given.reduce((sum, { objects }) => sum + [...objects].length, 0);
        let gone = 0;
        for (
          let pack = planPack(left.values(), policy);
          pack !== undefined;
          pack = planPack(left.values(), policy)
        ) {
          const taken = new Set(pack.objects);
          const from = left.get(pack.job)!;
          from.objects = from.objects.filter((each) => !taken.has(each));
          gone += taken.size;
        }
        expect(gone).toBe(count);
      }),
    );
  });
});
