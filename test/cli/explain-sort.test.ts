import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { type DryRun, dryRunJson, dryRunText } from "../../src/cli/explain-sort.ts";
import { checkDisks, diskUses, memoryBudget, spillFolder } from "../../src/cli/sort-machine.ts";
import { MayflyError } from "../../src/errors.ts";
import { planSort, type SortPlanInput } from "../../src/sort/sort-plan.ts";

const gib = 2 ** 30;
const code = { d: 4, p: 2 };
const input = { bytes: 100e9, workers: 2, nodes: 6, code, machineFreeBytes: 20 * gib };

function dryRunOf(more: Partial<SortPlanInput>, spill?: string): DryRun {
  const plan = planSort({ ...input, ...more });
  const disks =
    spill === undefined
      ? []
      : [
          {
            what: "spill" as const,
            folder: "/s",
            neededBytes: plan.passes.spilledAtOnceBytes,
            freeBytes: 60e9,
          },
        ];
  return { plan, code, nodes: 6, workers: 2, budgetBytes: 20 * gib, spill, disks };
}

test("100 GB in 20 GiB: waves in memory, and what spilling would take", () => {
  expect(dryRunText(dryRunOf({})).join("\n")).toMatchInlineSnapshot(`
    "records    1,000,000,000 (100 GB)
    plan       9 waves of up to 232 partitions; each makes or reads the input again and keeps its range of keys
    functions  232 maps a wave, 2084 reduces in all, 2 at a time
    time       8.5 min, 196 MB/s
    phases     map 6.47 min, reduce 122 s, spill 0 s
    fleet      6 nodes of 3.13 GiB, code 4+2
    memory     20 GiB of 20 GiB for all processes: nodes 19.1 GiB, functions 707 MiB, controller 160 MiB
    spill      nothing
    requests   0 PUTs, 0 GETs

    PLAN            TIME  MB/s   MEMORY  SPILLED   PUTS     GETS
      one pass  18.2 min    92  21.5 GB  91.6 GB  2,730  140,714
      3 waves   16.5 min   101  21.5 GB  75.1 GB  2,241   75,762
      5 waves   14.7 min   114  21.5 GB  58.2 GB  1,735   58,480
      7 waves   12.9 min   129  21.5 GB  41.2 GB  1,232   41,384
    * 9 waves    8.5 min   196  21.4 GB        -      -        -"
  `);
});

test("two waves by force spill the rest, and the table has no other plan", () => {
  const dryRun = dryRunOf({ waves: 2, canSpill: true }, "file:///s");
  expect(dryRunText(dryRun).join("\n")).toMatchInlineSnapshot(`
    "records    1,000,000,000 (100 GB)
    plan       2 waves of up to 224 partitions; each makes or reads the input again and keeps its range of keys
    functions  224 maps a wave, 448 reduces in all, 2 at a time
    time       17.3 min, 96 MB/s
    phases     map 5.69 min, reduce 113 s, spill 9.75 min
    fleet      6 nodes of 2.84 GiB, code 4+2
    memory     20 GiB of 20 GiB for all processes: nodes 17.8 GiB, functions 2.01 GiB, controller 160 MiB
    spill      83.6 GB to file:///s, 41.8 GB at a time
    requests   2,492 PUTs, 83,896 GETs
    disk       41.8 GB of spill in /s, 60 GB free

    PLAN           TIME  MB/s   MEMORY  SPILLED   PUTS    GETS
    * 2 waves  17.3 min    96  21.5 GB  83.6 GB  2,492  83,896"
  `);
  expect(dryRunJson(dryRun)).toMatchObject({
    ...{ waves: 2, records: 1e9, bytes: 100e9, code: "4+2", nodes: 6, workers: 2 },
    memory: { budgetBytes: 20 * gib, totalBytes: dryRun.plan.memory.totalBytes },
    spill: { url: "file:///s", bytes: dryRun.plan.passes.spilledBytes },
    disks: [{ folder: "/s", freeBytes: 60e9 }],
    alternatives: [{ waves: 2, fits: false, chosen: true }],
  });
});

test("without a place to spill to the forced waves are refused, with the number that fits", () => {
  expect(() => planSort({ ...input, waves: 2 })).toThrow(/--spill file:\/\/\/DIR .*or use --waves (\d+)/);
  const fitting = Number(/--waves (\d+)/.exec(refusal({ ...input, waves: 2 }))![1]);
  expect(planSort({ ...input, waves: fitting }).passes).toMatchObject({ fits: true, spilledBytes: 0 });
  expect(refusal({ ...input, waves: fitting - 1 })).toContain(`--waves ${fitting}`);
  expect(refusal({ ...input, bytes: 1e6, partitions: 3, waves: 4 })).toMatch(/^INVALID_ARGUMENT --waves 4 /);
});

function refusal(given: SortPlanInput): string {
  try {
    planSort(given);
    return "no refusal";
  } catch (thrown) {
    const { code: found, message } = MayflyError.from(thrown);
    return `${found} ${message}`;
  }
}

test("a plan never takes more than it may, in memory or with spilling, and more waves spill no more", () => {
  let before = Number.POSITIVE_INFINITY;
  for (let waves = 1; waves < 12; waves++) {
    const { passes, memory, nodeMemoryBytes } = planSort({ ...input, waves, canSpill: true });
    expect(memory.totalBytes).toBeLessThanOrEqual(20 * gib);
    expect(nodeMemoryBytes * 6).toBeLessThanOrEqual(memory.fleetBytes);
    expect(passes.spilledBytes).toBeLessThanOrEqual(before);
    before = passes.spilledBytes;
  }
  expect(before).toBe(0);
});

test("the budget is five sixths of the machine, no more than is free, and what is asked for must be free", () => {
  expect(memoryBudget(undefined, 23 * gib, 24 * gib)).toBe(20 * gib);
  expect(memoryBudget(undefined, 8 * gib, 24 * gib)).toBe(8 * gib);
  expect(memoryBudget(4 * gib, 8 * gib, 24 * gib)).toBe(4 * gib);
  expect(() => memoryBudget(9 * gib, 8 * gib, 24 * gib)).toThrow(
    /--memory 9 GiB is more .* --memory 8192MiB/,
  );
});

test("what goes to one disk is added up, and refused when it does not fit", async () => {
  const dir = mkdtempSync(join(tmpdir(), "mayfly-disks-"));
  try {
    const { bavail, bsize } = statfsSync(dir);
    const most = bavail * bsize;
    const folder = join(dir, "not", "there", "yet");
    const uses = (spill: number, output: number) =>
      diskUses([
        { what: "spill", folder, neededBytes: spill },
        { what: "output", folder: dir, neededBytes: output },
      ]);
    // Others use the disk, too: what is refused is far from what is not.
    await checkDisks(await uses(most / 4, most / 4));
    const refused = checkDisks(await uses(most * 0.8, most * 0.8));
    await expect(refused).rejects.toThrow(
      /does not fit the disk: .* of spill in .* of output in .* are free/,
    );
    expect(spillFolder(pathToFileURL(folder).href)).toBe(folder);
    expect(spillFolder("s3://bucket/prefix")).toBe(undefined);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
