import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { type NodeId, nodeId, objectId } from "../../src/ids.ts";
import type { Code } from "../../src/placement/types.ts";
import {
  decodeRef,
  encodeRef,
  inlineObject,
  keyBytesMax,
  Ref,
  type StoredPlace,
  storedLayouts,
} from "../../src/wire/ref.ts";
import { objectBytesMax, stripeBytesMax, stripeCount } from "../../src/wire/stripe-layout.ts";

const arbitraryCode: fc.Arbitrary<Code> = fc.record({
  d: fc.integer({ min: 1, max: 21 }),
  p: fc.integer({ min: 0, max: 4 }),
});
const arbitraryKey = fc.uint8Array({ minLength: 1, maxLength: 40 });
const arbitraryObject = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(objectId);
const arbitraryVersion = fc.option(
  fc
    .tuple(fc.integer({ min: 1, max: 2 ** 32 - 1 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }))
    .map(([generation, sequence]) => `${generation}.${sequence}`),
  { nil: undefined },
);

const arbitraryPlace: fc.Arbitrary<StoredPlace | undefined> = fc.option(
  fc.record({
    name: fc.string({ minLength: 1, maxLength: 60, unit: "grapheme-ascii" }),
    offset: fc.integer({ min: 0, max: 2 ** 45 }),
    layout: fc.constantFrom(...storedLayouts),
  }),
  { nil: undefined },
);

/** An object of some stripes, each on nodes of its own. */
const arbitraryRef = fc
  .record({
    object: arbitraryObject,
    key: arbitraryKey,
    code: arbitraryCode,
    version: arbitraryVersion,
    stripes: fc.integer({ min: 0, max: 5 }),
    lastBytes: fc.integer({ min: 1, max: 2 ** 19 }),
    nodes: fc.uniqueArray(fc.integer({ min: 1, max: 2 ** 32 - 1 }), { minLength: 25, maxLength: 40 }),
    located: fc.boolean(),
    stored: arbitraryPlace,
  })
  .map(({ stripes, lastBytes, nodes, located, ...fields }) => {
    const { d, p } = fields.code;
    const width = d + p;
    const sizeBytes = stripes === 0 ? 0 : (stripes - 1) * stripeBytesMax(fields.code) + lastBytes;
    const rows = Array.from({ length: stripes }, (_, s) =>
      Array.from({ length: width }, (_, i): NodeId => nodeId(nodes[(s + i) % nodes.length]!)),
    );
    return new Ref({ ...fields, sizeBytes, stripes: located ? rows : undefined });
  });

test("any ref comes back as it was, from bytes and from text", () => {
  fc.assert(
    fc.property(arbitraryRef, (ref) => {
      expect(decodeRef(encodeRef(ref))).toEqual(ref);
      const printed = Ref.parse(ref.toString());
      expect({ ...printed, stripes: undefined }).toEqual({ ...ref, stripes: undefined });
      expect(Ref.parse(JSON.parse(JSON.stringify(ref)) as string)).toEqual(printed);
    }),
    { numRuns: 100 },
  );
});

const located = new Ref({
  object: objectId(Uint8Array.from({ length: 16 }, (_, i) => i)),
  key: Uint8Array.from(Buffer.from("maps/7")),
  sizeBytes: 5_000_000,
  code: { d: 4, p: 2 },
  stripes: [1, 2, 3].map((s) => [1, 2, 3, 4, 5, 6].map((i) => nodeId(s * 100 + i))),
  version: "3.17",
});

test("the text of a small ref carries its location, and fits an event", () => {
  const text = located.toString();
  expect(text).toMatch(/^mfr1\.[A-Za-z0-9_-]+$/);
  expect(text.length).toBeLessThan(200);
  expect(Ref.parse(text)).toEqual(located);
});

test("the text leaves the location out when that would make it long", () => {
  const code = { d: 4, p: 2 };
  const stripes = Array.from({ length: 100 }, () => [1, 2, 3, 4, 5, 6].map(nodeId));
  const large = new Ref({ ...located, code, sizeBytes: 100 * stripeBytesMax(code), stripes });
  expect(large.toString().length).toBeLessThan(100);
  expect(Ref.parse(large.toString())).toEqual(new Ref({ ...large, stripes: undefined }));
  expect(decodeRef(encodeRef(large))).toEqual(large);
});

test("an inline ref says that the bytes lie in the cell", () => {
  const inline = new Ref({
    ...located,
    object: inlineObject,
    sizeBytes: 9,
    stripes: undefined,
    inline: true,
  });
  expect(Ref.parse(inline.toString())).toEqual(inline);
  expect(Ref.parse(inline.toString()).inline).toBe(true);
  expect(Ref.parse(located.toString()).inline).toBe(false);
});

test("the largest object of the widest code still is a ref", () => {
  const code = { d: 21, p: 4 };
  const sizeBytes = objectBytesMax(code);
  const stripes = Array.from({ length: stripeCount(sizeBytes, code) }, (_, s) =>
    Array.from({ length: 25 }, (_, i) => nodeId(1 + ((s + i) % 100))),
  );
  const ref = new Ref({ ...located, code, sizeBytes, stripes });
  expect(decodeRef(encodeRef(ref))).toEqual(ref);
});

test("every way to cut a ref short is an error, and so is a byte too many", () => {
  const bytes = encodeRef(located);
  for (let length = 0; length < bytes.length; length++) {
    expect(() => decodeRef(bytes.subarray(0, length)), `cut at ${length}`).toThrow(/are no ref/);
  }
  expect(() => decodeRef(Buffer.concat([bytes, Uint8Array.of(0)]))).toThrow(/1 bytes follow the end/);
});

test("hostile bytes are a ref or a PROTOCOL error, never another failure", () => {
  const valid = encodeRef(located);
  const damaged = fc.tuple(fc.nat(valid.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, flip]) => {
    const bytes = Uint8Array.from(valid);
    bytes[at]! ^= flip;
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 80 })), (bytes) => {
      try {
        const ref = decodeRef(bytes);
        expect(ref.key.length).toBeGreaterThan(0);
        expect(ref.sizeBytes).toBeLessThanOrEqual(objectBytesMax(ref.code));
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: "PROTOCOL" });
      }
    }),
    { numRuns: 2000 },
  );
});

test("what a ref claims is bounded before memory is spent on it", () => {
  // version, flags, object id, d, p
  const head = [1, 1, ...new Array<number>(16).fill(7), 4, 2];
  const decode = (...rest: number[]) => decodeRef(Uint8Array.from([...head, ...rest]));
  const tooLong = [0x80 | ((keyBytesMax + 1) & 0x7f), (keyBytesMax + 1) >> 7];
  expect(() => decode(0, 5, 0, 0, ...tooLong)).toThrow(/key length is above 1024/);
  expect(() => decode(0, 5, 0, 0, 0)).toThrow(/an empty key/);
  expect(() => decode(0x7f, 0, 0, 0, 1, 65)).toThrow(/a size of 545460846592 bytes/);
  // 8,192 stripes announced, none there.
  expect(() => decode(4, 0, 0, 0, 1, 65, 1, 9)).toThrow(/8192 stripes do not fit the bytes left/);
  expect(() => decode(0, 5, 0, 0, 1, 65, 0xff, 0x7f)).toThrow(/node count is above 4096/);
  expect(() => decode(0, 5, 0, 0, 1, 65, 0, 0, 0, 0, 0, 0, 0)).toThrow(/position is above/);
  expect(() => decode(0, 5, 0, 0, 1, 65, 1, 0, 0, 0, 0, 0, 0, 0)).toThrow(/node id 0/);
});

test("a layout, flags or code that this build does not know are refused", () => {
  const bytes = (at: number, value: number): Uint8Array => encodeRef(located).fill(value, at, at + 1);
  expect(() => decodeRef(bytes(0, 2))).toThrow(/version 2, this build reads 1/);
  expect(() => decodeRef(bytes(1, 8))).toThrow(/flags 8/);
  expect(() => decodeRef(bytes(1, 3))).toThrow(/flags 3/);
  expect(() => decodeRef(bytes(1, 4))).toThrow(/layout in the store/);
  expect(() => decodeRef(bytes(18, 0))).toThrow(/at least 1 data shard/);
  expect(() => decodeRef(bytes(19, 5))).toThrow(/0 to 4 parity shards/);
});

test("a place in the store has a name and a layout", () => {
  const stored = { name: "a", offset: 7, layout: "plain" } as const;
  const whole = encodeRef({ ...located, stripes: undefined, stored });
  const end = (...bytes: number[]): Uint8Array => Buffer.concat([whole.subarray(0, -5), Buffer.from(bytes)]);
  expect(decodeRef(end(1, 0, 7, 1, 97)).stored).toEqual({ ...stored, layout: "framed" });
  expect(() => decodeRef(end(2, 0, 7, 1, 97))).toThrow(/unknown layout/);
  expect(() => decodeRef(end(0, 0, 7, 0))).toThrow(/empty name/);
  expect(() => decodeRef(end(0, 0, 7, 2, 97))).toThrow(/name/);
});

test("a text that is no ref says so, whatever it is", () => {
  const body = located.toString().slice(5);
  const texts = ["", "maps/7", `mfr2.${body}`, "mfr1.", `mfr1.${body}$`, `mfr1.${body}AAAA`, `mfr1. ${body}`];
  for (const text of [...texts, `mfr1.${body.slice(0, -4)}`, `mfr1.${"A".repeat(600_000)}`]) {
    expect(() => Ref.parse(text), text.slice(0, 60)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  }
  expect(() => Ref.parse(undefined as unknown as string)).toThrow(/is not a ref/);
});

test("a ref of another copy of the class is a ref, and the same one", async () => {
  vi.resetModules();
  const copy = await import("../../src/wire/ref.ts");
  expect(copy.Ref).not.toBe(Ref);
  const inline = { ...located, stripes: undefined, inline: true };
  for (const fields of [located, inline]) {
    const foreign = new copy.Ref(fields);
    expect(foreign instanceof Ref).toBe(true);
    expect(new Ref(fields) instanceof copy.Ref).toBe(true);
    expect({ ...fields } instanceof Ref).toBe(true);
    expect(encodeRef(foreign)).toEqual(encodeRef(fields));
    expect(String(foreign)).toBe(String(new Ref(fields)));
  }
});

test("keys, bytes and errors are no refs", () => {
  const { stripes: _, ...rest } = located;
  const others = [
    "stripes",
    String(located),
    Buffer.from("stripes"),
    new Uint8Array(9),
    rest,
    new Error("stripes"),
  ];
  for (const value of [...others, [], null, undefined, 7])
    expect((value as unknown) instanceof Ref).toBe(false);
});
