import fc from "fast-check";
import { expect, test } from "vitest";
import { messagePack } from "../../../examples/codecs/messagepack.ts";

test("records come back as they were, one after the other", () => {
  const codec = messagePack<unknown>();
  const record = fc.record({
    word: fc.string({ unit: "grapheme" }),
    count: fc.maxSafeInteger(),
    more: fc.option(
      fc.array(
        fc.oneof(
          fc.boolean(),
          fc.double().filter((number) => !Object.is(number, -0)),
        ),
      ),
    ),
  });
  fc.assert(
    fc.property(fc.array(record), (records) => {
      const encoded = records.map((each) => codec.encode(each));
      expect([...codec.decode(Buffer.concat(encoded))]).toEqual(records);
    }),
  );
});

test("what ends in the middle of a record is none", () => {
  const codec = messagePack<unknown>();
  const bytes = codec.encode({ word: "whale", count: 1 });
  expect(() => [...codec.decode(bytes.subarray(0, -1))]).toThrow();
});
