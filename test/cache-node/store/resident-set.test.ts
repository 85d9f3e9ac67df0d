/**
 * The promise of a memory limit is about the process, so it is kept or broken by a process: each mix fills a node of
 * its own, with an index of real entries, and reports the most memory it ever had resident.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const child = "test/cache-node/store/resident-set-child";
let built: string;

/** Node 20 does not run TypeScript, and the tests must not depend on a build of the whole package. */
beforeAll(() => {
  built = mkdtempSync(join(tmpdir(), "mayfly-resident-set-"));
  writeFileSync(join(built, "package.json"), '{ "type": "module" }');
  const options = [
    "--noEmit",
    "false",
    "--rootDir",
    ".",
    "--outDir",
    built,
    "--rewriteRelativeImportExtensions",
  ];
  const target = [
    "--target",
    "es2023",
    "--module",
    "nodenext",
    "--types",
    "node",
    "--skipLibCheck",
    "--strict",
  ];
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [tsc, "--ignoreConfig", ...options, ...target, `${child}.ts`], {
    cwd: root,
  });
});
afterAll(() => rmSync(built, { recursive: true, force: true }));

interface Report {
  readonly peakBytes: number;
  /** Bytes in live blocks each time the node was full. */
  readonly live: readonly number[];
}

function runMix(limitMib: number, mix: string): Report {
  const output = execFileSync(process.execPath, [join(built, `${child}.js`), String(limitMib), mix]);
  return JSON.parse(output.toString()) as Report;
}

const mixes: readonly (readonly [limitMib: number, mix: string, liveShareMin: number])[] = [
  [256, "shards", 0.85],
  [256, "inline", 0.85],
  [256, "random", 0.85],
  [256, "tiny-replaced", 0.1],
  [256, "in-turn", 0.1],
  [512, "shards", 0.85],
  [512, "inline", 0.85],
  [512, "random", 0.85],
  [512, "tiny", 0.1],
];

// Peak memory of a process is told by Linux alone in a way that a parent's size does not spoil.
describe.skipIf(!existsSync("/proc/self/status"))("resident memory", () => {
  test.each(mixes)("%i MiB of %s stay below 1.1 of the limit and 64 MiB", (limitMib, mix, liveShareMin) => {
    const { peakBytes, live } = runMix(limitMib, mix);
    const limitBytes = limitMib * 2 ** 20;
    expect(peakBytes).toBeLessThan(1.1 * limitBytes + 64 * 2 ** 20);
    expect(live.length).toBeGreaterThan(0);
    for (const bytes of live) expect(bytes / limitBytes).toBeGreaterThan(liveShareMin);
  });
});
