/** A stream that is stored waits for the nodes: what they have not acknowledged is bounded, however fast its source is. */
import { expect, test } from "vitest";
import type { NodeId } from "../../src/ids.ts";
import { stripeBytesMax } from "../../src/wire/stripe-layout.ts";
import { startFleet } from "../support/fleet.ts";
import { until } from "../support/until.ts";
import { watchRequests } from "../support/watch-requests.ts";
import { anyBytes, keysWhere } from "../support/written-keys.ts";

const code = { d: 2, p: 1 };
const stripeBytes = stripeBytesMax(code);
const stripesInFlight = 4;
const pieceBytes = 64 * 1024;

test("a put takes no more from its source than the stripes in flight while a node is frozen", async () => {
  // Every stripe has a shard on each of three nodes, and nothing below is done by failing over.
  const fleet = await startFleet(3, { deadAfterMs: 60_000 });
  const job = await fleet.begin({ code });
  const [frozen] = fleet.nodeIds as [NodeId];
  const [elsewhere] = keysWhere(fleet.map, "key-", 1, (row) => row[0] !== frozen) as [string];
  await job.put(elsewhere, "x");

  const shardPuts = watchRequests("MF.SHARD.PUT");
  /** Bytes of the stripes of which all shards are. */
  const acknowledged = (): number => {
    const shards = new Map<unknown, number>();
    for (const { args, answered } of shardPuts) {
      if (answered) shards.set(args[1], (shards.get(args[1]) ?? 0) + 1);
    }
    return stripeBytes * [...shards.values()].filter((count) => count === code.d + code.p).length;
  };
  const bytes = anyBytes(20 * stripeBytes);
  let taken = 0;
  const aheads: number[] = [];
  const ahead = (): number => taken - acknowledged();
  async function* source(): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      if (at === 0 || at === 10 * stripeBytes) fleet.signal(frozen, "SIGSTOP");
      taken = at + pieceBytes;
      aheads.push(ahead());
      yield bytes.subarray(at, taken);
    }
  }
  const writing = job.put("object", source());
  for (const leastTaken of [0, 10 * stripeBytes]) {
    await until("the source stands still, with all in flight that may be", async () => {
      const before = taken;
      // The other nodes answer meanwhile, and the source would give more.
      for (let i = 0; i < 100; i++) expect(String(await job.get(elsewhere))).toBe("x");
      return taken === before && taken > leastTaken && ahead() === stripesInFlight * stripeBytes;
    });
    expect(taken).toBeLessThan(leastTaken + 2 * stripesInFlight * stripeBytes);
    fleet.signal(frozen, "SIGCONT");
  }
  const ref = await writing;
  expect(Math.max(...aheads)).toBe(stripesInFlight * stripeBytes);
  expect(taken).toBe(bytes.length);
  expect(bytes.equals(await job.get(ref))).toBe(true);
});
