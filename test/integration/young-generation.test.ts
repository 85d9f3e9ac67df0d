import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { mainPath } from "../support/main-path.ts";

const gauge = new URL("../../cache-node/store/heap-gauge.js", `file://${mainPath}`);

/** Makes garbage of which much survives for a while; prints how large V8's young generation has become. */
const program = `
import { getHeapSpaceStatistics } from "node:v8";
import { limitHeapGarbage } from ${JSON.stringify(gauge.href)};
if (process.argv[1] === "limited") limitHeapGarbage();
let kept = [];
for (let turn = 0; turn < 200; turn++) {
  for (let i = 0; i < 10_000; i++) kept.push({ turn, i: [i] });
  if (kept.length > 200_000) kept = [];
  await new Promise((resolve) => setImmediate(resolve));
}
console.log(getHeapSpaceStatistics().find((space) => space.space_name === "new_space").space_size);
`;

function youngBytes(...args: string[]): number {
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", program, "--", ...args]);
  return Number(output.toString());
}

test("the young generation of a node stays at halves of 4 MiB, where V8 would let it grow", () => {
  expect(youngBytes()).toBeGreaterThan(16 * 2 ** 20);
  expect(youngBytes("limited")).toBe(8 * 2 ** 20);
});
