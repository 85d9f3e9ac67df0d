import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { objectId } from "../../src/ids.ts";
import {
  decodePackIndex,
  encodePackIndex,
  packExtents,
  packIndexBytes,
  packTailBytes,
} from "../../src/wire/pack-index.ts";

const objects = fc.array(
  fc.record({
    object: fc.uint8Array({ minLength: 16, maxLength: 16 }).map(objectId),
    code: fc.record({ d: fc.integer({ min: 1, max: 20 }), p: fc.integer({ min: 0, max: 4 }) }),
    sizeBytes: fc.integer({ min: 0, max: 2 ** 30 }),
  }),
  { maxLength: 50 },
);

/** As a reader of the last bytes of a pack finds it. */
function read(pack: Uint8Array): ReturnType<typeof decodePackIndex> {
  const tail = pack.subarray(pack.length - packTailBytes);
  const end = pack.length - packTailBytes;
  return decodePackIndex(pack.subarray(end - packIndexBytes(tail), end));
}

describe("the index of a pack", () => {
  test("is found behind the objects, whatever they are", () => {
    fc.assert(
      fc.property(objects, fc.uint8Array(), (packed, before) => {
        expect(read(Buffer.concat([before, encodePackIndex(packed)]))).toEqual(packed);
      }),
    );
  });

  test("has this layout", () => {
    const packed = [
      { object: objectId(Buffer.alloc(16, 0xab)), code: { d: 4, p: 2 }, sizeBytes: 300 },
      { object: objectId(Buffer.alloc(16, 1)), code: { d: 1, p: 1 }, sizeBytes: 2 ** 32 + 5 },
    ];
    const hex = Buffer.from(encodePackIndex(packed)).toString("hex");
    expect(hex).toBe(`02${"ab".repeat(16)}040200ac02${"01".repeat(16)}01010105${"2a000000"}6d66706b01`);
  });

  test("says where each object lies", () => {
    const packed = [100, 40_000].map((sizeBytes, at) => ({
      ...{ object: objectId(Buffer.alloc(16, at)), code: { d: 2, p: 1 }, sizeBytes },
    }));
    expect(packExtents(packed).map(({ start, end }) => [start, end])).toEqual([
      [0, 108],
      [108, 108 + 40_000 + 4 * 8],
    ]);
  });

  test("that is damaged is refused as such, if it can be told", () => {
    fc.assert(
      fc.property(objects, fc.nat(), fc.integer({ min: 1, max: 255 }), (packed, place, flip) => {
        const bytes = Buffer.from(encodePackIndex(packed));
        bytes[place % bytes.length]! ^= flip;
        try {
          read(bytes);
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: "DAMAGED" });
        }
      }),
    );
  });
});
