import { expect, test } from "vitest";
import { benchCodec } from "../../bench/codec.ts";
import type { BenchOptions } from "../../bench/harness/report.ts";

function optionsOf(only: string): BenchOptions {
  return { rounds: 1, only, signal: new AbortController().signal, log: () => undefined };
}

test("coding is compared with ISA-L and the npm package, which are there or absent with a reason", async () => {
  const report = await benchCodec(optionsOf("4+2 encode"));
  expect(report).toMatchObject({ scenario: "codec", rounds: 1, machine: { node: process.version } });
  expect(report.cases.map((each) => each.case)).toEqual(["4+2 encode 1MiB"]);
  const [{ mayfly, peers, ratios }] = report.cases as [(typeof report.cases)[number]];
  expect(mayfly["gbPerSecond"]).toBeGreaterThan(0);
  expect(Object.keys(peers)).toEqual(["isa-l", "reed-solomon-erasure"]);
  for (const [name, peer] of Object.entries(peers)) {
    if ("absent" in peer) expect(peer.absent).toContain("run: npm");
    else expect(ratios[name]).toBeGreaterThan(0);
  }
});

test("checksums are compared with zlib's and with copying", async () => {
  const { cases } = await benchCodec(optionsOf("xxh3"));
  expect(cases.map((each) => [each.case, Object.keys(each.peers)])).toEqual([
    ["xxh3 16KiB frames", ["zlib-crc32", "memcpy"]],
  ]);
});
