/**
 * Pictures to encode: those of an animated GIF. The one that is taken without a file is part of the package `gifwrap`: an old
 * engraving of a butterfly, a caterpillar and a plant, of which some move at a time; 31 frames.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import gifwrap, { type GifFrame } from "gifwrap";
import { MayflyError } from "mayfly";
import { frameOfRgba, paddedShape, type Shape } from "./frame.ts";

export interface Film extends Shape {
  /** In order; one that is longer begins anew. */
  readonly frames: readonly Uint8Array[];
}

const rgbaBytes = 4;
const disposeToBackground = 2;
const disposeToPrevious = 3;

export function plateFile(): string {
  const folder = join(createRequire(import.meta.url).resolve("gifwrap/package.json"), "..");
  return join(folder, "test", "fixtures", "rnaples-offsets-public.gif");
}

/** @throws MayflyError INPUT_INVALID when there is no such file, or it is no GIF */
export async function readFilm(file: string): Promise<Film> {
  const bytes = await readFile(file).catch((cause: Error) => {
    throw new MayflyError("INPUT_INVALID", `${file} cannot be read: ${cause.message}`, { cause });
  });
  const gif = await gifwrap.GifUtil.read(bytes).catch((cause: Error) => {
    throw new MayflyError("INPUT_INVALID", `${file} is no GIF: ${cause.message}`, { cause });
  });
  const shape = { width: gif.width, height: gif.height };
  const frames: Uint8Array[] = [];
  for (const rgba of pictures(shape, gif.frames)) frames.push(frameOfRgba(shape, rgba));
  return { ...paddedShape(shape), frames };
}

/** So many frames; a film that is shorter begins anew. */
export function framesOf({ frames }: Film, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => frames[index % frames.length]!);
}

/** Frames of a GIF are patches on what was there before. The memory that is yielded is used again. */
function* pictures({ width, height }: Shape, patches: readonly GifFrame[]): Generator<Uint8Array> {
  const canvas = Buffer.alloc(width * height * rgbaBytes);
  for (const patch of patches) {
    const before = patch.disposalMethod === disposeToPrevious ? Buffer.from(canvas) : undefined;
    draw(canvas, width, patch, (to, from) => {
      // What is transparent shows what was there.
      if (patch.bitmap.data[from + 3] !== 0) patch.bitmap.data.copy(canvas, to, from, from + rgbaBytes);
    });
    yield canvas;
    before?.copy(canvas);
    if (patch.disposalMethod === disposeToBackground) {
      draw(canvas, width, patch, (to) => canvas.fill(0, to, to + rgbaBytes));
    }
  }
}

function draw(
  canvas: Buffer,
  width: number,
  { bitmap, xOffset, yOffset }: GifFrame,
  pixel: (to: number, from: number) => void,
): void {
  for (let y = 0; y < bitmap.height; y++) {
    for (let x = 0; x < bitmap.width; x++) {
      const to = rgbaBytes * ((y + yOffset) * width + x + xOffset);
      if (x + xOffset < width && to < canvas.length) pixel(to, rgbaBytes * (y * bitmap.width + x));
    }
  }
}
