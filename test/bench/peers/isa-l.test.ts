import { expect, test } from "vitest";
import { loadIsaL } from "../../../bench/peers/isa-l.ts";
import { isalVectors } from "../../erasure/isal-vectors.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const isaL = await loadIsaL();

test.runIf("absent" in isaL)("without the library it says what to type", () => {
  expect(isaL).toEqual({ absent: expect.stringMatching(/run: npm (?:ci|run install-peers)$/) });
});

test
  .skipIf("absent" in isaL)
  .each(
    isalVectors.filter(({ d, p }) => p <= d).map((vector) => [`${vector.d}+${vector.p}`, vector] as const),
  )(
  "%s: it is called rightly: its parity is ISA-L's, and what is lost comes back",
  (_, { d, p, data, parity }) => {
    if ("absent" in isaL) throw new Error("not here");
    const stripe = isaL.stripe(d, p, data[0]!.length / 2);
    for (const [i, shard] of data.entries()) stripe.shard(i).set(Buffer.from(shard, "hex"));
    stripe.encode.run();
    const shards = Array.from({ length: d + p }, (_, i) => i);
    expect(shards.map((i) => hex(stripe.shard(i)))).toEqual([...data, ...parity]);
    for (let i = 0; i < p; i++) stripe.shard(i).fill(0);
    stripe.decode.run();
    expect(shards.map((i) => hex(stripe.shard(i)))).toEqual([...data, ...parity]);
    expect(stripe.encode.bytes).toBe(d * stripe.shard(0).length);
  },
);
