import fc from "fast-check";
import { expect, test } from "vitest";
import {
  checkPacked,
  packIndexBytesMax,
  packPieces,
  readPackIndex,
} from "../../../cache-node/hibernation/group-pack.ts";
import type { Group } from "../../../src/ids.ts";
import { groupCount } from "../../../src/placement/groups.ts";

const word = fc.nat(2 ** 32 - 1);
const held = fc.record({
  group: fc.nat(groupCount - 1).map((group) => group as Group),
  version: fc.record({ generation: word, sequence: word }),
  bytes: fc.uint8Array({ maxLength: 200 }),
});
const packs = fc.uniqueArray(held, { maxLength: 20, selector: ({ group }) => group });

test("what was packed is found again, each group in its place", () => {
  fc.assert(
    fc.property(packs, (groups) => {
      const pack = Buffer.concat([...packPieces(groups)]);
      const index = readPackIndex(pack.subarray(-packIndexBytesMax), pack.length);
      const found = index.map((packed) => {
        const bytes = pack.subarray(packed.offset, packed.offset + packed.length);
        checkPacked(packed, bytes);
        return { group: packed.group, version: packed.version, bytes: Uint8Array.from(bytes) };
      });
      expect(found).toEqual(groups);
    }),
  );
});

test("no damaged pack is taken for one: a byte that is another one is noticed in the index or in its group", () => {
  fc.assert(
    fc.property(packs, fc.nat(), fc.integer({ min: 1, max: 255 }), (groups, where, flip) => {
      const pack = Buffer.concat([...packPieces(groups)]);
      const at = where % pack.length;
      pack[at]! ^= flip;
      expect(() => {
        for (const packed of readPackIndex(pack, pack.length)) {
          checkPacked(packed, pack.subarray(packed.offset, packed.offset + packed.length));
        }
      }).toThrow(expect.objectContaining({ code: "DAMAGED" }));
    }),
  );
});

test("a pack that lacks its end, or a part, is none", () => {
  const pack = Buffer.concat([
    ...packPieces([
      { group: 3 as Group, version: { generation: 1, sequence: 2 }, bytes: Buffer.alloc(50, 1) },
    ]),
  ]);
  for (let length = 0; length < pack.length; length++) {
    expect(() => readPackIndex(pack.subarray(0, length), length)).toThrow(/damaged/);
    expect(() => readPackIndex(pack.subarray(-length - 1), pack.length + 1)).toThrow(/damaged/);
  }
});
