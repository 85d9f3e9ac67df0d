import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeSerially } from "../../../examples/excamera-chain/chunk.ts";
import {
  checkCoding,
  decodeFrame,
  encodeFrame,
  type FramePlan,
  keyPlan,
  planFrame,
  stepMax,
  stepMin,
} from "../../../examples/excamera-chain/codec.ts";
import { frameBytes } from "../../../examples/excamera-chain/frame.ts";
import { decodeStream, joinStream, packChunk } from "../../../examples/excamera-chain/stream.ts";
import { filmOf, moves, shapes } from "./film-of-moves.ts";

/** For frames of one block: nothing moves. */
const inPlace: FramePlan = { vectors: new Int8Array(2), isKey: false };
const films = fc.record({
  shape: fc.constantFrom(...shapes),
  seed: fc.nat(1e6),
  all: fc.array(moves, { minLength: 1, maxLength: 8 }),
  step: fc.integer({ min: stepMin, max: stepMax }),
});

test("what is decoded is the state of the encoder, and no sample is further off than half a step", () => {
  fc.assert(
    fc.property(films, ({ shape, seed, all, step }) => {
      const coding = { ...shape, step };
      const frames = filmOf(shape, seed, all);
      const coded = encodeSerially(coding, frames);
      const decoded = [...decodeStream(joinStream(coding, [packChunk(coded)]))];
      expect(decoded).toHaveLength(frames.length);
      for (const [index, frame] of decoded.entries()) {
        expect(Buffer.compare(frame, coded[index]!.state)).toBe(0);
        const furthest = frame.reduce(
          (most, sample, at) => Math.max(most, Math.abs(sample - frames[index]![at]!)),
          0,
        );
        expect(furthest).toBeLessThanOrEqual(step / 2);
      }
    }),
    { numRuns: 60 },
  );
});

test("arbitrary samples, the extremes among them, survive as key and as inter frames", () => {
  const shape = shapes[0]!;
  const samples = fc.uint8Array({ minLength: frameBytes(shape), maxLength: frameBytes(shape) });
  const frame = fc.oneof(
    samples,
    samples.map((all) => all.map((sample) => (sample < 128 ? 0 : 255))),
  );
  fc.assert(
    fc.property(frame, frame, fc.integer({ min: stepMin, max: 9 }), (first, second, step) => {
      const coding = { ...shape, step };
      const key = encodeFrame(coding, keyPlan(coding), first, undefined);
      const inter = encodeFrame(coding, inPlace, second, key.state);
      const state = decodeFrame(coding, key.bytes, undefined);
      expect(Buffer.compare(state, key.state)).toBe(0);
      expect(Buffer.compare(decodeFrame(coding, inter.bytes, state), inter.state)).toBe(0);
    }),
    { numRuns: 60 },
  );
});

test("a drift is found, a cut is a key frame, and another state gives another frame", () => {
  const shape = shapes[1]!;
  const coding = { ...shape, step: 8 };
  const [first, second, third] = filmOf(shape, 3, ["cut", "drift", "cut"]) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const plan = planFrame(coding, first, second);
  // The middle one of the lower blocks: it came from 3 to the left and 1 above.
  expect([...plan.vectors.subarray(8, 10)]).toEqual([-3, -1]);
  expect(planFrame(coding, second, third)).toEqual(keyPlan(coding));
  const states = [first, third].map((frame) => encodeFrame(coding, keyPlan(coding), frame, undefined).state);
  const [one, other] = states.map((state) => encodeFrame(coding, plan, second, state));
  expect(Buffer.compare(one!.state, other!.state)).not.toBe(0);
});

test("what cannot be coded, and what is no coded frame, is refused", () => {
  const coding = { ...shapes[0]!, step: 8 };
  for (const wrong of [{ width: 20 }, { height: 0 }, { step: 1 }, { step: 65 }, { step: 2.5 }]) {
    expect(() => checkCoding({ ...coding, ...wrong })).toThrow(/cannot be coded|step of the quantizer/);
  }
  const frame = filmOf(coding, 1, ["cut"])[0]!;
  const key = encodeFrame(coding, keyPlan(coding), frame, undefined);
  const inter = encodeFrame(coding, inPlace, frame, key.state);
  expect(() => decodeFrame(coding, inter.bytes, undefined)).toThrow("there is none");
  expect(() => decodeFrame(coding, Buffer.from("no deflate"), undefined)).toThrow("cannot be read");
  expect(() => decodeFrame({ ...coding, width: 32 }, key.bytes, undefined)).toThrow("its size");
  const stream = joinStream(coding, [packChunk([key])]);
  expect(() => [...decodeStream(stream.subarray(0, -1))]).toThrow("ends within a frame");
  expect(() => [...decodeStream(stream.subarray(1))]).toThrow("no head");
});
