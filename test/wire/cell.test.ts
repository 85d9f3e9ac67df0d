import fc from "fast-check";
import { expect, test } from "vitest";
import { type Group, jobNumber } from "../../src/ids.ts";
import {
  decodeEffects,
  type Effect,
  effectKinds,
  effectsBatch,
  effectsPerBatchMax,
  encodeEffect,
  noJob,
} from "../../src/wire/cell.ts";
import { refBytesMax } from "../../src/wire/ref.ts";

const encodeEffects = (effects: readonly Effect[]): Buffer =>
  Buffer.concat(effectsBatch(effects.map(encodeEffect)));

const word = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }));

const ofNoJob: ReadonlySet<string> = new Set(["activate", "snapshot"]);

const arbitraryEffect: fc.Arbitrary<Effect> = fc
  .record({
    group: fc.integer({ min: 0, max: 1023 }).map((group) => group as Group),
    version: fc.record({ generation: word, sequence: word }),
    job: fc.integer({ min: 1, max: 2 ** 32 - 1 }).map(jobNumber),
    session: fc.uint8Array({ minLength: 8, maxLength: 8 }).map((id) => Buffer.from(id).toString("latin1")),
    sessionSequence: word,
    sessionFloor: word,
    kind: fc.constantFrom(...effectKinds),
    expiresAtMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 2 ** 48 })),
    key: fc.uint8Array({ minLength: 1, maxLength: 40 }),
    value: fc.uint8Array({ maxLength: 300 }),
  })
  .map((effect) => (ofNoJob.has(effect.kind) ? { ...effect, job: noJob } : effect));

const sample: Effect = {
  group: 7 as Group,
  version: { generation: 3, sequence: 1000 },
  job: jobNumber(12),
  session: "abcdefgh",
  sessionSequence: 5,
  sessionFloor: 4,
  kind: "bytes",
  expiresAtMs: 1_800_000_000_123,
  key: Buffer.from("key"),
  value: Buffer.from("value"),
};

test("any batch of effects comes back as it was", () => {
  fc.assert(
    fc.property(fc.array(arbitraryEffect, { maxLength: 12 }), (effects) => {
      const plain = (all: readonly Effect[]) =>
        all.map((effect) => ({ ...effect, key: [...effect.key], value: [...effect.value] }));
      expect(plain(decodeEffects(encodeEffects(effects)))).toEqual(plain(effects));
    }),
    { numRuns: 200 },
  );
});

test("a full batch, and the largest value, come back", () => {
  const small = { ...sample, key: Buffer.from("k"), value: new Uint8Array(0) };
  const full = new Array<Effect>(effectsPerBatchMax).fill(small);
  expect(decodeEffects(encodeEffects(full))).toHaveLength(effectsPerBatchMax);
  const large = { ...sample, value: new Uint8Array(refBytesMax).fill(9) };
  expect(decodeEffects(encodeEffects([large]))[0]?.value).toHaveLength(refBytesMax);
});

test("every way to cut a batch short is an error, and so is a byte too many", () => {
  const bytes = encodeEffects([sample, sample]);
  for (let length = 0; length < bytes.length; length++) {
    expect(() => decodeEffects(bytes.subarray(0, length)), `cut at ${length}`).toThrow(
      expect.objectContaining({ code: "PROTOCOL" }),
    );
  }
  expect(() => decodeEffects(Buffer.concat([bytes, Uint8Array.of(0)]))).toThrow(/1 bytes follow the end/);
});

test("hostile bytes are effects or a PROTOCOL error, never another failure", () => {
  const valid = encodeEffects([sample, { ...sample, kind: "abort" }]);
  const damaged = fc.tuple(fc.nat(valid.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, flip]) => {
    const bytes = Uint8Array.from(valid);
    bytes[at]! ^= flip;
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 100 })), (bytes) => {
      try {
        for (const { group, kind } of decodeEffects(bytes)) {
          expect(group).toBeLessThan(1024);
          expect(effectKinds).toContain(kind);
        }
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: "PROTOCOL" });
      }
    }),
    { numRuns: 2000 },
  );
});

test("counts and lengths are refused before memory is spent on them", () => {
  expect(() => decodeEffects(Uint8Array.of(0x81, 0x20))).toThrow(/effect count is above 4096/);
  const bytes = encodeEffects([sample]);
  const at = bytes.indexOf("key".charCodeAt(0)) - 1;
  const patched = (value: readonly number[]): Uint8Array =>
    Buffer.concat([bytes.subarray(0, at), Uint8Array.from(value), bytes.subarray(at + 1)]);
  expect(() => decodeEffects(patched([0x81, 0x08]))).toThrow(/key length is above 1024/);
  expect(() => decodeEffects(encodeEffects([{ ...sample, group: 1024 as Group }]))).toThrow(/group 1024/);
  expect(() => decodeEffects(encodeEffects([{ ...sample, value: new Uint8Array(refBytesMax + 1) }]))).toThrow(
    /value length is above/,
  );
});
