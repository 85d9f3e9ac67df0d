import fc from "fast-check";
import { expect, test } from "vitest";
import { durableBytes, durableRef, encodeDurableValue, plainBytes } from "../../src/wire/durable-value.ts";
import { decodeRef, inlineObject } from "../../src/wire/ref.ts";

test("bytes and place come back", () => {
  const names = fc.string({ minLength: 1, maxLength: 200, unit: "grapheme" });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), names, (bytes, name) => {
      const stored = { name, offset: 0, layout: "plain" } as const;
      const common = {
        object: inlineObject,
        key: Buffer.from("k"),
        sizeBytes: bytes.length,
        code: { d: 1, p: 0 },
      };
      const value = encodeDurableValue(bytes, { ...common, stripes: undefined, stored });
      expect(durableBytes(value)).toBe(bytes.length);
      expect(Buffer.from(plainBytes(value))).toEqual(Buffer.from(bytes));
      expect(decodeRef(durableRef(value)).stored).toEqual(stored);
    }),
  );
});
