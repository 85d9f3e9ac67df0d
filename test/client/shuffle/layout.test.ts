import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  attemptName,
  BlockSums,
  decodeNotice,
  encodeNotice,
  readRow,
  rowBytes,
  sumAt,
  writeRow,
} from "../../../client/shuffle/layout.ts";
import { StripeMemory } from "../../../client/stripe-memory.ts";
import { jobNumber, newObjectId, nodeId } from "../../../src/ids.ts";
import { groupOf } from "../../../src/placement/groups.ts";
import { Ref } from "../../../src/wire/ref.ts";

const key = Uint8Array.from(Buffer.from("mf:shuffle/words/map/3"));
const object = newObjectId(groupOf(key), randomBytes(16));

test("a row comes back as it was", () => {
  fc.assert(
    fc.property(fc.nat(2 ** 48 - 1), fc.nat(2 ** 32 - 1), fc.nat(2 ** 32 - 1), (offset, bytes, records) => {
      const table = Buffer.alloc(2 * rowBytes);
      writeRow(table, rowBytes, { offset, bytes, records });
      table.fill(7, rowBytes + sumAt, rowBytes + sumAt + 8);
      const row = readRow(table.subarray(rowBytes));
      expect(row).toEqual({ offset, bytes, records, sum: Buffer.alloc(8, 7) });
    }),
  );
  expect(() => readRow(Buffer.alloc(23))).toThrow(/24 bytes/);
});

test("a notice comes back as it was, and what is none is refused", () => {
  const code = { d: 2, p: 1 };
  const stripes = [[1, 2, 3].map(nodeId)];
  const ref = new Ref({ object, key, sizeBytes: 100_000, code, stripes, version: "3.14" });
  const name = attemptName(3, object);
  for (const notice of [
    { map: 3, object, runs: 7, records: 2 ** 40 + 5, ref },
    { map: 3, object, runs: 0, records: 0, ref: undefined },
  ]) {
    const encoded = encodeNotice(notice);
    expect(decodeNotice(name, encoded)).toEqual(notice);
    for (let length = 0; length < 18; length++)
      expect(() => decodeNotice(name, encoded.subarray(0, length))).toThrow(
        expect.objectContaining({ code: "PROTOCOL" }),
      );
    expect(() => decodeNotice("x/1", encoded)).toThrow(expect.objectContaining({ code: "PROTOCOL" }));
  }
});

test("the checksum of a block is of its bytes, and of nothing else's place", () => {
  const memory = new StripeMemory(8 * 2 ** 20);
  const sums = new BlockSums(memory.checksums, jobNumber(1));
  const other = newObjectId(groupOf(key), randomBytes(16));
  for (const length of [1, 1000, 65_536, 65_537, 200_000]) {
    const block = randomBytes(length);
    const sum = Buffer.alloc(8);
    sums.write(object, 2, 5, block, sum);
    expect(sums.matches(object, 2, 5, block, sum)).toBe(true);
    expect(sums.matches(other, 2, 5, block, sum)).toBe(false);
    expect(sums.matches(object, 1, 5, block, sum)).toBe(false);
    expect(sums.matches(object, 2, 4, block, sum)).toBe(false);
    expect(new BlockSums(memory.checksums, jobNumber(2)).matches(object, 2, 5, block, sum)).toBe(false);
    block[length - 1]! ^= 1;
    expect(sums.matches(object, 2, 5, block, sum)).toBe(false);
  }
});
