import fc from "fast-check";
import { expect, test } from "vitest";
import { compareVersions, formatVersion, parseVersion } from "../../src/wire/version.ts";

const part = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
const version = fc.record({ generation: part, sequence: part });

test("any version comes back as it was", () => {
  fc.assert(fc.property(version, (v) => void expect(parseVersion(formatVersion(v))).toEqual(v)));
  expect(formatVersion({ generation: 3, sequence: 17 })).toBe("3.17");
});

test("versions are ordered by generation, then by sequence, as no other two are", () => {
  fc.assert(
    fc.property(version, version, (a, b) => {
      const order = Math.sign(compareVersions(a, b));
      expect(order).toBe(-Math.sign(compareVersions(b, a)) + 0);
      const key = (v: typeof a): bigint => BigInt(v.generation) * 2n ** 32n + BigInt(v.sequence);
      expect(order).toBe(key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0);
    }),
  );
});

test("a text has one spelling, and every other one is refused", () => {
  const texts = ["", ".", "1", "1.", ".1", "1.2.3", "-1.2", "1.-2", " 1.2", "1.2 ", "1.2\n", "01.2", "1.02"];
  for (const text of [...texts, "1,2", "a.b", "4294967296.1", "1.4294967296", "99999999999.1", "absent"]) {
    expect(() => parseVersion(text), JSON.stringify(text)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  }
});
