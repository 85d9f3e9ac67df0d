/** A real node that is filled until it refuses: it says so, and its process stays within what was promised. */
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { MayflyError } from "../../src/errors.ts";
import type { NodeId } from "../../src/ids.ts";
import { startFleet } from "../support/fleet.ts";
import { askNodeInfo } from "../support/node-info.ts";
import { until } from "../support/until.ts";
import { anyBytes } from "../support/written-keys.ts";

const mebibyte = 2 ** 20;
const limitBytes = 256 * mebibyte;
const sizes = [3, 100, 700, 4096, 16_000, 20_000, 131_072, 600_000, 1_500_000];

function peakResidentBytes(pid: number): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib ?? Number.NaN) * 1024;
}

// Peak memory of another process is told by Linux alone.
test.skipIf(!existsSync("/proc/self/status"))(
  "a node filled with values of all sizes refuses more, and has at most 1.1 times its memory and 64 MiB resident",
  async () => {
    const fleet = await startFleet(1, { nodeMemoryBytes: limitBytes, deadAfterMs: 20_000 });
    const [node] = fleet.nodeIds as [NodeId];
    const info = () => askNodeInfo(fleet.map.nodes[0]!);
    const job = await fleet.begin({ code: { d: 1, p: 0 } });
    const values = sizes.map(anyBytes);
    const kept = new Map<string, number>();
    const refusals = new Set<string>();
    let next = 0;
    const writer = async (): Promise<void> => {
      let refused = 0;
      while (refused < 2) {
        const n = next++;
        // As many bytes of large values as there are many small ones.
        const at = n % 8 === 0 ? Math.floor(n / 8) % sizes.length : n % 5;
        try {
          await job.put(`key-${n}`, values[at]!, { timeoutMs: 400 });
          kept.set(`key-${n}`, at);
        } catch (thrown) {
          refusals.add(MayflyError.from(thrown).code);
          refused++;
        }
      }
    };
    const fill = () => Promise.all(Array.from({ length: 16 }, writer));
    await fill();
    expect((await info()).usedBytes).toBeGreaterThan(0.85 * limitBytes);
    // The same again over what half of it leaves behind.
    const doomed = [...kept.keys()].filter((_, at) => at % 2 === 0);
    for (const key of doomed) kept.delete(key);
    await Promise.all(doomed.map((key) => job.delete(key)));
    // Only when the controller knows that there is room again does it give the node new shards.
    await until("the node may be written to", () => (fleet.map.nodes[0]?.weight ?? 0) > 0);
    await fill();
    expect((await info()).usedBytes).toBeLessThanOrEqual(limitBytes);
    expect(peakResidentBytes(fleet.pidOf(node))).toBeLessThan(1.1 * limitBytes + 64 * mebibyte);

    // A call that is refused for so long ends by its deadline, or finds no node to write to.
    for (const code of refusals) expect(["BUSY", "DEADLINE_EXCEEDED", "NOT_ENOUGH_NODES"]).toContain(code);
    const sample = [...kept].filter((_, at) => at % 50 === 0);
    for (const [key, at] of sample) expect(values[at]!.equals(await job.get(key))).toBe(true);
  },
);
