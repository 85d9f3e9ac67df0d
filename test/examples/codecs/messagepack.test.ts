import fc from "fast-check";
import { expect, test } from "vitest";
import { messagePack } from "../../../examples/codecs/messagepack.ts";

test("records come back as they were, one after the other", () => {
  const codec = messagePack<unknown>();
  const records = fc.array(fc.jsonValue({ noUnicodeString: false }));
  fc.assert(
    fc.property(records, (values) => {
      const expected = values.map((value) => JSON.parse(JSON.stringify(value)) as unknown);
      const encoded = expected.map((value) => codec.encode(value));
      expect([...codec.decode(Buffer.concat(encoded))]).toEqual(expected);
    }),
  );
});

test("what ends in the middle of a record is none", () => {
  const codec = messagePack<unknown>();
  const bytes = codec.encode({ word: "whale", count: 1 });
  expect(() => [...codec.decode(bytes.subarray(0, -1))]).toThrow();
});
