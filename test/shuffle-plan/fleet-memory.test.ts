/** What a plan says of memory and requests is what the code of a shuffle does. */
import fc from "fast-check";
import { expect, onTestFinished, test, vi } from "vitest";
import { indexChargeFor } from "../../cache-node/store/index-charge.ts";
import type { Job } from "../../client/job.ts";
import * as layout from "../../client/shuffle/layout.ts";
import { Connection } from "../../client/transport/connection.ts";
import * as memory from "../../src/shuffle-plan/fleet-memory.ts";
import { factsOf, mapsMax, partitionsMax, type ShuffleFacts } from "../../src/shuffle-plan/plan-input.ts";
import { planSort } from "../../src/sort/sort-plan.ts";
import { startInProcessFleet } from "../support/in-process-fleet.ts";
import { until } from "../support/until.ts";

const mib = 2 ** 20;
const facts = (given: Partial<ShuffleFacts>): ShuffleFacts => ({
  ...factsOf({
    ...{ bytes: 0, maps: 1, partitions: 1, memoryBytes: 0, workers: 1 },
    ...{ nodes: 6, code: { d: 4, p: 2 } },
  }),
  ...given,
});

test("the constants are those of the layout of a shuffle, and of a node's index", () => {
  expect({ ...memory, mapsMax, partitionsMax }).toMatchObject({
    rowBytes: layout.rowBytes,
    partitionsPerTable: layout.partitionsPerTable,
    runsMax: layout.runsMax,
    mapsMax: layout.mapsMax,
    partitionsMax: layout.partitionsMax,
    shardEntryBytes: indexChargeFor(19),
  });
});

test("nodes have the headroom that a sort gives them", () => {
  const sizes = fc.record({
    bytes: fc.nat(10_000).map((megabytes) => megabytes * 1e6),
    nodes: fc.integer({ min: 6, max: 60 }),
    workers: fc.integer({ min: 1, max: 100 }),
  });
  const sameMemory = fc.property(sizes, (given) => {
    const plan = planSort({ ...given, code: { d: 4, p: 2 } });
    const planned = memory.fleetMemoryBytes(plan.storedBytesEstimate, given.nodes);
    expect(planned).toBe(given.nodes * plan.nodeMemoryBytes);
  });
  fc.assert(sameMemory);
});

test("a share that is computed by hand", () => {
  // Code 2+1, 3 nodes, 8 maps of 128 MiB in runs of 16 MiB, 16 partitions.
  const given = facts({ code: { d: 2, p: 1 }, nodes: 3 });
  const share = { mapBytes: 128 * mib, maps: 8, partitions: 16 };
  // A map: 128 stripes of 3 shards of 512 KiB, with 32 checksums of 8 bytes, and an entry of 464 in the index.
  const shards = 384 * (524_288 + 256 + 464);
  // On three nodes: 8 tables of 16 rows and what a message takes, and the cell and the message of the commit.
  const cells = 3 * (8 * (16 * 24 + 768) + 1024 + 768);
  expect(shards + cells).toBe(201_636_096);
  expect(memory.fleetUseOf(share, given)).toEqual({
    storedBytes: 8 * 201_636_096,
    // 1,613,088,768 / 3 x 1.15 + 32 MiB = 651,905,126: 39 steps of 16 MiB.
    memoryBytes: 3 * 39 * 16 * mib,
    // A map: 384 shards, 8 tables, commit and notice. A partition of 64 MiB: 64 replies of 1 MiB, notices, and rows.
    requests: 8 * (384 + 8 + 2) + 16 * (64 + 1 + 1),
    fault: undefined,
  });
});

test("the end of an output is stored as it is, its parity in steps of 128 bytes", () => {
  const use = memory.fleetUseOf({ mapBytes: 1000, maps: 1, partitions: 1 }, facts({}));
  // 250 bytes a shard are coded as 256.
  const shards = 1000 + 2 * 256 + 6 * (8 + 464);
  expect(use.storedBytes).toBe(shards + 3 * (24 + 768 + 1024 + 768));
  const nothing = memory.fleetUseOf({ mapBytes: 0, maps: 1, partitions: 1 }, facts({}));
  expect(nothing.storedBytes).toBe(3 * (24 + 768 + 1024 + 768));
});

test("a larger share never takes less", () => {
  const share = fc.record({
    mapBytes: fc.integer({ min: 0, max: 100 * mib }),
    maps: fc.integer({ min: 1, max: 500 }),
    partitions: fc.integer({ min: 1, max: 2000 }),
  });
  const more = fc.record({ mapBytes: fc.nat(5000), maps: fc.nat(3), partitions: fc.nat(3) });
  const code = fc.constantFrom({ d: 4, p: 2 }, { d: 2, p: 1 }, { d: 3, p: 0 }, { d: 5, p: 1 });
  const grows = fc.property(share, more, code, (small, added, given) => {
    const large = {
      mapBytes: small.mapBytes + added.mapBytes,
      maps: small.maps + added.maps,
      partitions: small.partitions + added.partitions,
    };
    const [less, greater] = [small, large].map((each) => memory.fleetUseOf(each, facts({ code: given })));
    expect(greater!.storedBytes).toBeGreaterThanOrEqual(less!.storedBytes);
    expect(greater!.memoryBytes).toBeGreaterThanOrEqual(less!.memoryBytes);
  });
  fc.assert(grows, { numRuns: 300 });
});

test("an output that is no object, and one of too many runs, have a fault", () => {
  const share = { mapBytes: 20 * 2 ** 30, maps: 2, partitions: 2 };
  expect(memory.fleetUseOf(share, facts({})).fault).toBe(
    "a map would write 21.5 GB, and an object has at most 17.2 GB: use more maps",
  );
  const runs = { mapBytes: 2 ** 30, maps: 2, partitions: 2 };
  expect(memory.fleetUseOf(runs, facts({ runBytes: 2 ** 16 })).fault).toBe(
    "a map would write 16384 runs, and 4096 are the most: use more maps or larger runs",
  );
});

/** Each map writes one run, with the same number of bytes for each partition. */
async function writeMaps(
  job: Job,
  given: { maps: number; partitions: number; mapBytes: number },
): Promise<void> {
  const { maps, partitions, mapBytes } = given;
  const lengths = Array.from({ length: partitions }, () => mapBytes / partitions);
  for (let map = 0; map < maps; map++) {
    await using writer = job.shuffle("planned", { maps, partitions }).writer(map);
    await writer.writeRun(Buffer.alloc(mapBytes, map), lengths, new Uint8Array(partitions).fill(1));
    await writer.commit();
  }
}

test.each([
  { maps: 4, partitions: 8, mapBytes: 4_000_000, code: { d: 4, p: 2 } },
  { maps: 40, partitions: 1000, mapBytes: 20_000, code: { d: 2, p: 1 } },
  { maps: 80, partitions: 10, mapBytes: 5000, code: { d: 2, p: 1 } },
])(
  "a real fleet stores, and is asked, as much as is estimated: $maps maps of $mapBytes bytes",
  async (given) => {
    const { maps, partitions, mapBytes, code } = given;
    const fleet = await startInProcessFleet({ nodes: 6, nodeMemoryBytes: 64 * mib });
    onTestFinished(() => fleet.stop());
    const job = await fleet.begin({ code });
    const sent = vi.spyOn(Connection.prototype, "request");
    onTestFinished(() => sent.mockRestore());
    const requests = (): number => {
      const count = sent.mock.calls.filter(([name]) => /^MF\.(?:SHARD|CELL)\./.test(name)).length;
      sent.mockClear();
      return count;
    };
    const use = memory.fleetUseOf(given, facts({ code }));

    await writeMaps(job, given);
    const written = requests();
    // All partitions are read alike: a few of them tell.
    const readers = 5;
    for (let partition = 0; partition < readers; partition++) {
      for await (const { data } of job.shuffle("planned", { maps, partitions }).reader(partition))
        expect(data.length).toBe(mapBytes / partitions);
    }
    const all = written + (requests() * partitions) / readers;
    expect(use.requests).toBeGreaterThan(all / 1.4);
    expect(use.requests).toBeLessThan(all * 1.4);

    let claimed = 0;
    await until("heartbeats tell of all that is stored", async () => {
      const { nodes } = await fleet.client.status();
      claimed = nodes.reduce((sum, node) => sum + node.claimedBytes, 0);
      return claimed > use.storedBytes / 1.1;
    });
    expect(claimed).toBeLessThan(use.storedBytes * 1.15);
  },
);
