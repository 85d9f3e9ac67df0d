import { Float64, Int32, Int64, Utf8 } from "apache-arrow";
import fc from "fast-check";
import { expect, test } from "vitest";
import { arrowBatches } from "../../../examples/codecs/arrow.ts";

interface Row {
  readonly count: number;
  readonly sum: bigint;
  readonly share: number;
  readonly name: string;
}

const codec = arrowBatches<Row>({
  count: new Int32(),
  sum: new Int64(),
  share: new Float64(),
  name: new Utf8(),
});

const row: fc.Arbitrary<Row> = fc.record({
  count: fc.integer(),
  sum: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  share: fc.double({ noNaN: true }),
  name: fc.string({ unit: "grapheme" }),
});

test("records come back as they were, wherever their block lies in memory", () => {
  fc.assert(
    fc.property(fc.array(row, { minLength: 1 }), fc.integer({ min: 0, max: 9 }), (rows, offset) => {
      const encoded = codec.encodeBatch(rows);
      const memory = new Uint8Array(offset + encoded.length);
      memory.set(encoded, offset);
      expect([...codec.decode(memory.subarray(offset))]).toEqual(rows);
    }),
  );
});

test("a batch of other columns, and one that ends too early, are none", () => {
  const rows: Row[] = [{ count: 1, sum: 2n, share: 0.5, name: "a" }];
  const other = arrowBatches<{ count: number }>({ count: new Float64() });
  expect(() => [...other.decode(codec.encodeBatch(rows))]).toThrow(/no column count of type Float64/);
  expect(() => [
    ...arrowBatches<{ more: number }>({ more: new Int32() }).decode(codec.encodeBatch(rows)),
  ]).toThrow(/no column more/);
  expect(() => [...codec.decode(codec.encodeBatch(rows).subarray(0, 200))]).toThrow();
});
