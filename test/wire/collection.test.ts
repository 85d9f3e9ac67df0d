import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodeUpdate,
  decodeValues,
  encodeUpdate,
  encodeValues,
  operations,
  parseInteger,
  type Update,
  updateBytesMax,
} from "../../src/wire/collection.ts";

const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const values = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 });
const update: fc.Arbitrary<Update> = fc.record({
  ...{ operation: fc.constantFrom(...operations), head: word, tail: word, values },
});
const plain = (all: readonly Uint8Array[]): number[][] => all.map((value) => [...value]);

describe("updates", () => {
  test("come back as they were", () => {
    fc.assert(
      fc.property(update, (one) => {
        const read = decodeUpdate(encodeUpdate(one));
        expect({ ...read, values: plain(read.values) }).toEqual({ ...one, values: plain(one.values) });
      }),
    );
  });

  test("are as the protocol says", () => {
    const encoded = encodeUpdate({
      operation: "hset",
      head: 0,
      tail: 200,
      values: [Buffer.from("f"), Buffer.from("vw")],
    });
    expect([...encoded]).toEqual([5, 0, 200, 1, 2, 1, 102, 2, 118, 119]);
    expect([...encodeValues([Buffer.from("a"), Buffer.alloc(0)])]).toEqual([2, 1, 97, 0]);
  });

  test("have a limit", () => {
    const value = Buffer.alloc(updateBytesMax - 20);
    expect(
      encodeUpdate({ operation: "rpush", head: 0, tail: 0, values: [value] }).length,
    ).toBeLessThanOrEqual(updateBytesMax);
    expect(() =>
      encodeUpdate({ operation: "rpush", head: 0, tail: 0, values: [value, Buffer.alloc(20)] }),
    ).toThrow(expect.objectContaining({ code: "TOO_LARGE" }));
  });
});

test("lists of values come back as they were", () => {
  fc.assert(
    fc.property(values, (all) => {
      expect(plain(decodeValues(encodeValues(all)))).toEqual(plain(all));
    }),
  );
});

test("what is malformed is a PROTOCOL error and nothing worse", () => {
  fc.assert(
    fc.property(update, fc.nat(6000), fc.uint8Array({ maxLength: 40 }), (one, cut, noise) => {
      const encoded = encodeUpdate(one);
      for (const wrong of [
        encoded.subarray(0, cut % encoded.length),
        noise,
        Buffer.concat([encoded, noise, noise]),
      ]) {
        for (const decode of [decodeUpdate, decodeValues]) {
          try {
            decode(wrong);
          } catch (error) {
            expect(error).toMatchObject({ code: "PROTOCOL" });
          }
        }
      }
    }),
  );
});

test("numbers are whole, safe and written in one way", () => {
  const most = Number.MAX_SAFE_INTEGER;
  for (const value of [0, 1, -1, most, -most, 1234567]) {
    expect(parseInteger(Buffer.from(String(value)))).toBe(value);
  }
  for (const text of [
    "",
    "-",
    "-0",
    "01",
    "+1",
    "1.0",
    "1e3",
    " 1",
    "9007199254740992",
    "99999999999999999999",
    "x",
  ]) {
    expect(parseInteger(Buffer.from(text)), text).toBeUndefined();
  }
});
