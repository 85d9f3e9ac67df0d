/** Small films for tests: pictures that stay, drift, flicker or are cut. */
import fc from "fast-check";
import { frameBytes, planesOf, type Shape } from "../../../examples/excamera-chain/frame.ts";
import { seededRng } from "../../../src/clock.ts";

export type Move = "cut" | "stay" | "drift" | "flicker";

export const shapes: readonly Shape[] = [
  { width: 16, height: 16 },
  { width: 48, height: 32 },
  { width: 32, height: 64 },
];

export const moves: fc.Arbitrary<Move> = fc.constantFrom<Move>("cut", "stay", "drift", "flicker");

/** One frame for each move. */
export function filmOf(shape: Shape, seed: number, all: readonly Move[]): Uint8Array[] {
  const rng = seededRng(seed);
  const frames: Uint8Array[] = [];
  for (const move of all) {
    const before = frames.at(-1);
    if (before === undefined || move === "cut") frames.push(picture(shape, seed + frames.length * 7919));
    else if (move === "stay") frames.push(Uint8Array.from(before));
    else if (move === "drift") frames.push(drifted(shape, before, 3, 1));
    else frames.push(before.map((sample) => Math.min(255, sample + Math.floor(rng.random() * 12))));
  }
  return frames;
}

/** Waves, which a codec can predict, and some noise, which it cannot. */
function picture(shape: Shape, seed: number): Uint8Array {
  const rng = seededRng(seed);
  const frame = new Uint8Array(frameBytes(shape));
  for (const { at, width, height } of planesOf(shape)) {
    const [across, down, phase] = [rng.random() / 3, rng.random() / 3, rng.random() * 6];
    for (let place = 0; place < width * height; place++) {
      const wave = Math.sin(across * (place % width) + down * Math.floor(place / width) + phase);
      frame[at + place] = 128 + 110 * wave + 15 * rng.random();
    }
  }
  return frame;
}

function drifted(shape: Shape, frame: Uint8Array, right: number, down: number): Uint8Array {
  const result = Uint8Array.from(frame);
  const { width, height } = shape;
  for (let y = down; y < height; y++) {
    for (let x = right; x < width; x++) result[y * width + x] = frame[(y - down) * width + x - right]!;
  }
  return result;
}
