import { readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { MayflyError } from "../../src/errors.ts";
import { layOut, mapRegions, reduceRegions } from "../../src/sort/record-memory.ts";
import { reduceOutputBytes } from "../../src/sort/sort-pieces.ts";
import { planSort, type SortPlanInput } from "../../src/sort/sort-plan.ts";

/** "plan bytes=100 workers=1 nodes=3 code=2+1 ..." */
function parse(line: string): SortPlanInput {
  const words = new Map(
    line
      .split(" ")
      .slice(1)
      .map((word) => word.split("=") as [string, string]),
  );
  const number = (name: string): number => Number(words.get(name));
  const optional = <Name extends string>(name: Name, word: string): { [N in Name]?: number } =>
    (words.has(word) ? { [name]: number(word) } : {}) as { [N in Name]?: number };
  const [d, p] = words.get("code")!.split("+").map(Number);
  return {
    bytes: number("bytes"),
    workers: number("workers"),
    nodes: number("nodes"),
    code: { d: d!, p: p! },
    ...optional("fleetMemoryBytes", "fleet-memory"),
    ...optional("machineFreeBytes", "machine-free"),
    ...optional("functionMemoryBytes", "function-memory"),
    ...optional("maps", "maps"),
    ...optional("partitions", "partitions"),
  };
}

function outcome(line: string): string {
  try {
    const plan = planSort(parse(line));
    const sizes = plan.maps.map((map) => map.records);
    return [
      `records ${plan.records}`,
      `maps ${sizes.length} of ${Math.min(...sizes)}..${Math.max(...sizes)}`,
      `partitions ${plan.partitions} in ${plan.waves.length} waves`,
      `stored ${plan.storedBytesEstimate}`,
      `node ${plan.nodeMemoryBytes / 2 ** 20} MiB`,
      `function map ${plan.functionMemoryBytes.map / 1024} KiB reduce ${plan.functionMemoryBytes.reduce / 1024} KiB`,
    ].join("\n");
  } catch (error) {
    if (error instanceof MayflyError) return `${error.code} ${error.message}`;
    throw error;
  }
}

test.each(["defaults", "refusals"])("sort-plan-%s.txt", (name) => {
  const file = new URL(`../golden/sort-plan-${name}.txt`, import.meta.url);
  const text = readFileSync(file, "utf8");
  const actual = text
    .trimEnd()
    .split("\n\n")
    .map((scenario) => {
      const head = scenario.slice(0, scenario.indexOf("----") + 4);
      return `${head}\n${outcome(head.split("\n").find((line) => line.startsWith("plan "))!)}`;
    })
    .join("\n\n");
  // UPDATE_GOLDEN=1 rewrites the file: read the difference before committing it.
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, `${actual}\n`);
  else expect(`${actual}\n`).toBe(text);
});

const code = fc.constantFrom({ d: 1, p: 1 }, { d: 4, p: 2 }, { d: 10, p: 4 });
const inputs = fc.record({
  bytes: fc.nat(5_000_000).map((thousands) => thousands * 100_000),
  workers: fc.integer({ min: 1, max: 200 }),
  nodes: fc.integer({ min: 14, max: 60 }),
  code,
});

test("every plan covers all records once, in functions and nodes that hold them", () => {
  const anyInput = fc.property(inputs, (input) => {
    const plan = planSort(input);
    let next = 0;
    const gaps = plan.maps.filter(({ firstRecord, records }) => {
      const gap = firstRecord !== next;
      next += records;
      return gap;
    });
    expect(gaps).toEqual([]);
    expect(next).toBe(input.bytes / 100);
    const largest = Math.max(...plan.maps.map((map) => map.records));
    expect(layOut(mapRegions(largest)).memoryBytes).toBe(plan.functionMemoryBytes.map);
    const share = Math.ceil(plan.records / plan.partitions);
    expect(layOut(reduceRegions(share, reduceOutputBytes)).memoryBytes).toBeLessThanOrEqual(
      plan.functionMemoryBytes.reduce,
    );
    expect(plan.storedBytesEstimate).toBeGreaterThanOrEqual(
      (input.bytes * (input.code.d + input.code.p)) / input.code.d,
    );
    expect(plan.nodeMemoryBytes * input.nodes).toBeGreaterThan(plan.storedBytesEstimate * 1.15);
    expect(plan.nodeMemoryBytes % 2 ** 24).toBe(0);
    expect(plan.maps.length % input.workers === 0 || plan.maps.length < input.workers).toBe(true);
    if (input.bytes > 200e6 && input.bytes > input.workers * 8e6) {
      expect(plan.maps.length).toBeGreaterThanOrEqual(2 * input.workers);
    }
  });
  fc.assert(anyInput, { numRuns: 50 });
});

test("whatever the limit, a plan keeps it, and its waves have each partition once; a refusal says what is enough", () => {
  const limit = fc.constantFrom("machineFreeBytes", "fleetMemoryBytes");
  let [inWaves, refused] = [0, 0];
  const anyLimit = fc.property(inputs, limit, fc.integer({ min: 1, max: 400 }), (input, name, gigabytes) => {
    try {
      const plan = planSort({ ...input, [name]: gigabytes * 1e9 });
      expect(plan.nodeMemoryBytes * input.nodes).toBeLessThanOrEqual(gigabytes * 1e9);
      let next = 0;
      for (const { first, count } of plan.waves) {
        expect(first).toBe(next);
        next += count;
      }
      expect(next).toBe(plan.partitions);
      if (plan.waves.length > 1) inWaves += 1;
    } catch (error) {
      const { code: problem, message } = MayflyError.from(error);
      expect(problem).toBe("OUT_OF_MEMORY");
      refused += 1;
      if (name === "machineFreeBytes") return;
      const [, least, unit] = /at least ([\d.]+) ([GM])B/.exec(message)!;
      // It is told with two digits behind the point.
      const enough = (Number(least) + 0.01) * (unit === "G" ? 1e9 : 1e6);
      planSort({ ...input, fleetMemoryBytes: Math.ceil(enough) });
    }
  });
  fc.assert(anyLimit, { numRuns: 500 });
  expect(Math.min(inWaves, refused)).toBeGreaterThan(10);
});
