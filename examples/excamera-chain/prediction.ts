/** Prediction of samples: from neighbours in the same frame, or from another frame that is moved block by block. */
import { blockPixels, type Plane, planesOf, type Shape } from "./frame.ts";

/** In the place of a vector's x. */
export const noVector = -128;
/** Vectors go so many pixels in each direction. */
const searchPixels = 7;
/** Vectors that save less than this share of what a key frame costs are not worth it: the film was cut. */
const savedShareMin = 1 / 16;

/** The median of left, above, and left + above - diagonal, as in JPEG-LS: it follows edges. */
export function medianPrediction(
  samples: Uint8Array,
  at: number,
  x: number,
  y: number,
  width: number,
): number {
  if (y === 0) return x === 0 ? 128 : samples[at - 1]!;
  const above = samples[at - width]!;
  if (x === 0) return above;
  const left = samples[at - 1]!;
  const diagonal = samples[at - width - 1]!;
  if (diagonal >= Math.max(left, above)) return Math.min(left, above);
  if (diagonal <= Math.min(left, above)) return Math.max(left, above);
  return left + above - diagonal;
}

/** For each block the vector to what is most like it in `previous`, where that costs less than to predict it from itself. */
export function chooseVectors(
  shape: Shape,
  step: number,
  previous: Uint8Array,
  frame: Uint8Array,
): Int8Array {
  const { width, height } = shape;
  const vectors = new Int8Array((2 * width * height) / blockPixels ** 2);
  const costOf = Float64Array.from({ length: 256 }, (_, difference) => Math.log2(1 + difference / step));
  let [keyCost, cost, block] = [0, 0, 0];
  for (let y = 0; y < height; y += blockPixels) {
    for (let x = 0; x < width; x += blockPixels, block += 2) {
      const [dx, dy] = searchVector(shape, previous, frame, x, y);
      const [inter, intra] = costsOfBlock(width, previous, frame, x, y, dy * width + dx, costOf);
      vectors[block] = inter < intra ? dx : noVector;
      vectors[block + 1] = inter < intra ? dy : 0;
      cost += Math.min(inter, intra);
      keyCost += intra;
    }
  }
  return keyCost - cost < savedShareMin * keyCost ? vectors.fill(noVector) : vectors;
}

/** The first of those with the least difference, looked for everywhere within reach; none at all is looked at before. */
function searchVector(
  { width, height }: Shape,
  previous: Uint8Array,
  frame: Uint8Array,
  x: number,
  y: number,
): readonly [dx: number, dy: number] {
  let best: readonly [number, number] = [0, 0];
  let least = difference(width, previous, frame, x, y, 0, Number.POSITIVE_INFINITY);
  for (let dy = -searchPixels; dy <= searchPixels && least > 0; dy++) {
    if (y + dy < 0 || y + dy + blockPixels > height) continue;
    for (let dx = -searchPixels; dx <= searchPixels; dx++) {
      if (x + dx < 0 || x + dx + blockPixels > width) continue;
      const found = difference(width, previous, frame, x, y, dy * width + dx, least);
      if (found >= least) continue;
      least = found;
      best = [dx, dy];
    }
  }
  return best;
}

/** Sum of absolute differences of a block of luma; not looked at any further once it has reached `enough`. */
function difference(
  width: number,
  previous: Uint8Array,
  frame: Uint8Array,
  x: number,
  y: number,
  shift: number,
  enough: number,
): number {
  let sum = 0;
  for (let row = 0; row < blockPixels && sum < enough; row++) {
    const from = (y + row) * width + x;
    for (let at = from; at < from + blockPixels; at++) sum += Math.abs(frame[at]! - previous[at + shift]!);
  }
  return sum;
}

/** About as many bits as luma takes that is predicted from `previous`, and from itself. */
function costsOfBlock(
  width: number,
  previous: Uint8Array,
  frame: Uint8Array,
  x: number,
  y: number,
  shift: number,
  costOf: Float64Array,
): readonly [inter: number, intra: number] {
  let [inter, intra] = [0, 0];
  for (let row = y; row < y + blockPixels; row++) {
    for (let column = x; column < x + blockPixels; column++) {
      const at = row * width + column;
      inter += costOf[Math.abs(frame[at]! - previous[at + shift]!)]!;
      intra += costOf[Math.abs(frame[at]! - medianPrediction(frame, at, column, row, width))]!;
    }
  }
  return [inter, intra];
}

/** The frame that the vectors make of the state, chroma by half of each vector; blocks without are empty. */
export function moved(shape: Shape, state: Uint8Array, vectors: Int8Array): Uint8Array {
  const result = new Uint8Array(state.length);
  for (const plane of planesOf(shape)) moveBlocks(result, state, plane, vectors);
  return result;
}

/** Vectors that lead outside end at the edge. */
function moveBlocks(
  result: Uint8Array,
  state: Uint8Array,
  { at, width, height, blockSide }: Plane,
  vectors: Int8Array,
): void {
  const shift = blockSide === blockPixels ? 0 : 1;
  let block = -2;
  for (let y = 0; y < height; y += blockSide) {
    for (let x = 0; x < width; x += blockSide) {
      block += 2;
      if (vectors[block] === noVector) continue;
      const fromX = within(x + (vectors[block]! >> shift), width - blockSide);
      const fromY = within(y + (vectors[block + 1]! >> shift), height - blockSide);
      for (let row = 0; row < blockSide; row++) {
        const from = at + (fromY + row) * width + fromX;
        result.set(state.subarray(from, from + blockSide), at + (y + row) * width + x);
      }
    }
  }
}

function within(position: number, most: number): number {
  return Math.max(0, Math.min(most, position));
}
