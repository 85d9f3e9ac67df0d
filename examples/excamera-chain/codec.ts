/**
 * A small video codec with what matters for a chain: frames are coded against what a decoder has after the one before, so that
 * the state of an encoder depends on all frames since the last key frame, rounding included.
 *
 * A coded frame is raw deflate of
 *
 *     vectors     2 x i8 a block   x and y, for each block of 16 x 16 pixels; x is -128 for a block without
 *     residuals   u8 a sample      quantized, zigzag
 *
 * A block with a vector is predicted from the state, moved by it; one without from its neighbours in the frame, by the median
 * predictor of JPEG-LS. Which of both it is, and the vector, follow from the pictures alone and never from the state: that is
 * the plan of a frame, and it holds whatever the state turns out to be. A frame whose blocks have no vectors is a key frame.
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { MayflyError } from "mayfly";
import { blockPixels, frameBytes, planesOf, type Shape } from "./frame.ts";
import { chooseVectors, medianPrediction, moved, noVector } from "./prediction.ts";

export interface Coding extends Shape {
  /** Of the quantizer: no sample is further than half of it from what it was. 2 to 64. */
  readonly step: number;
}

export interface FramePlan {
  /** As in a coded frame. */
  readonly vectors: Int8Array;
  /** No block has a vector: the frame needs no state. */
  readonly isKey: boolean;
}

export interface CodedFrame {
  readonly bytes: Uint8Array;
  /** What a decoder has after it. */
  readonly state: Uint8Array;
}

export const stepMin = 2;
export const stepMax = 64;

/** @throws MayflyError INVALID_ARGUMENT */
export function checkCoding({ width, height, step }: Coding): void {
  const isSide = (pixels: number): boolean => pixels > 0 && pixels <= 0xffff && pixels % blockPixels === 0;
  if (!isSide(width) || !isSide(height)) {
    const why = `frames of ${width}x${height} cannot be coded: both sides are multiples of ${blockPixels}`;
    throw new MayflyError("INVALID_ARGUMENT", why);
  }
  if (!(Number.isInteger(step) && step >= stepMin && step <= stepMax)) {
    const why = `the step of the quantizer is ${step}; it is a whole number from ${stepMin} to ${stepMax}`;
    throw new MayflyError("INVALID_ARGUMENT", why);
  }
}

export function keyPlan(shape: Shape): FramePlan {
  return planOf(new Int8Array(vectorBytes(shape)).fill(noVector));
}

/** @param previous the picture before, if there is one; as it was, not as it was coded */
export function planFrame(coding: Coding, previous: Uint8Array | undefined, frame: Uint8Array): FramePlan {
  if (previous === undefined) return keyPlan(coding);
  return planOf(chooseVectors(coding, coding.step, previous, frame));
}

/** @param state what a decoder has before it; key frames need none */
export function encodeFrame(
  coding: Coding,
  plan: FramePlan,
  frame: Uint8Array,
  state: Uint8Array | undefined,
): CodedFrame {
  const { step } = coding;
  const head = plan.vectors.length;
  const body = new Uint8Array(head + frame.length);
  body.set(new Uint8Array(plan.vectors.buffer, plan.vectors.byteOffset, head));
  const rebuilt = rebuild(coding, plan, state, (at, predicted) => {
    const level = quantize(frame[at]! - predicted, step);
    body[head + at] = zigzag(level);
    return level;
  });
  return { bytes: deflateRawSync(body), state: rebuilt };
}

/** The state after the frame. @throws MayflyError DAMAGED */
export function decodeFrame(coding: Coding, bytes: Uint8Array, state: Uint8Array | undefined): Uint8Array {
  const head = vectorBytes(coding);
  const whole = head + frameBytes(coding);
  const body = inflated(bytes, whole);
  if (body.length !== whole) throw damaged("its size is not that of a frame");
  const plan = planOf(new Int8Array(body.buffer, body.byteOffset, head));
  return rebuild(coding, plan, state, (at) => unzigzag(body[head + at]!));
}

/** The one loop of encoder and decoder: predicts each sample from what is rebuilt, and adds its level in steps. */
function rebuild(
  coding: Coding,
  { vectors, isKey }: FramePlan,
  state: Uint8Array | undefined,
  levelOf: (at: number, predicted: number) => number,
): Uint8Array {
  if (!isKey && state === undefined) throw damaged("it is predicted from a frame before, and there is none");
  const { step } = coding;
  const rebuilt = new Uint8Array(frameBytes(coding));
  const reference = isKey ? rebuilt : moved(coding, state!, vectors);
  for (const { at: begin, width, height, blockSide } of planesOf(coding)) {
    const blocksAcross = width / blockSide;
    for (let y = 0, at = begin; y < height; y++) {
      const row = Math.floor(y / blockSide) * blocksAcross;
      for (let x = 0; x < width; x++, at++) {
        const hasVector = vectors[2 * (row + Math.floor(x / blockSide))] !== noVector;
        const predicted = hasVector ? reference[at]! : medianPrediction(rebuilt, at, x, y, width);
        rebuilt[at] = clamp(predicted + step * levelOf(at, predicted));
      }
    }
  }
  return rebuilt;
}

function planOf(vectors: Int8Array): FramePlan {
  let isKey = true;
  for (let at = 0; at < vectors.length && isKey; at += 2) isKey = vectors[at] === noVector;
  return { vectors, isKey };
}

function vectorBytes({ width, height }: Shape): number {
  return (2 * width * height) / blockPixels ** 2;
}

/** From -127 to 127. */
function quantize(difference: number, step: number): number {
  const half = (step - 1) >> 1;
  return difference >= 0 ? Math.trunc((difference + half) / step) : -Math.trunc((half - difference) / step);
}

function zigzag(level: number): number {
  return level >= 0 ? 2 * level : -2 * level - 1;
}

function unzigzag(code: number): number {
  return (code & 1) === 0 ? code >> 1 : -((code + 1) >> 1);
}

function clamp(sample: number): number {
  return sample < 0 ? 0 : sample > 255 ? 255 : sample;
}

function inflated(bytes: Uint8Array, maxOutputLength: number): Uint8Array {
  try {
    return inflateRawSync(bytes, { maxOutputLength });
  } catch (cause) {
    throw damaged("it is no deflated data of a frame", cause);
  }
}

function damaged(why: string, cause?: unknown): MayflyError {
  return new MayflyError("DAMAGED", `a coded frame cannot be read: ${why}`, { cause });
}
