/** A frame as the codec takes it, I420 as in video files: luma, then two chroma planes of half the width and height, 8 bits a sample. */

/** In pixels; multiples of 16. */
export interface Shape {
  readonly width: number;
  readonly height: number;
}

export interface Plane {
  readonly at: number;
  readonly width: number;
  readonly height: number;
  /** Of what is moved as one. */
  readonly blockSide: number;
}

/** Side of the squares of luma that are predicted in one way. */
export const blockPixels = 16;

export function frameBytes({ width, height }: Shape): number {
  return (width * height * 3) / 2;
}

export function planesOf({ width, height }: Shape): readonly [Plane, Plane, Plane] {
  const half = { width: width / 2, height: height / 2, blockSide: blockPixels / 2 };
  const luma = width * height;
  return [
    { at: 0, width, height, blockSide: blockPixels },
    { at: luma, ...half },
    { at: luma + luma / 4, ...half },
  ];
}

/** The next multiple of the side of a block. */
export function paddedShape({ width, height }: Shape): Shape {
  const padded = (pixels: number): number => Math.ceil(pixels / blockPixels) * blockPixels;
  return { width: padded(width), height: padded(height) };
}

/** BT.601, full range; what is padded repeats the last row and column. @param rgba of a picture of any shape */
export function frameOfRgba(shape: Shape, rgba: Uint8Array): Uint8Array {
  const padded = paddedShape(shape);
  const [luma, blue, red] = planesOf(padded);
  const frame = new Uint8Array(frameBytes(padded));
  for (let y = 0; y < padded.height; y++) {
    for (let x = 0; x < padded.width; x++) {
      const from = 4 * (Math.min(y, shape.height - 1) * shape.width + Math.min(x, shape.width - 1));
      const [r, g, b] = [rgba[from]!, rgba[from + 1]!, rgba[from + 2]!];
      frame[luma.at + y * luma.width + x] = (77 * r + 150 * g + 29 * b + 128) >> 8;
      if (((x | y) & 1) === 1) continue;
      const chroma = (y / 2) * blue.width + x / 2;
      frame[blue.at + chroma] = within((-43 * r - 85 * g + 128 * b + 32_896) >> 8);
      frame[red.at + chroma] = within((128 * r - 107 * g - 21 * b + 32_896) >> 8);
    }
  }
  return frame;
}

function within(sample: number): number {
  return Math.max(0, Math.min(255, sample));
}

/** Peak signal to noise of luma in dB; infinite for frames that are alike. */
export function lumaPsnr({ width, height }: Shape, frame: Uint8Array, other: Uint8Array): number {
  const samples = width * height;
  let squares = 0;
  for (let at = 0; at < samples; at++) squares += (frame[at]! - other[at]!) ** 2;
  return 10 * Math.log10((255 ** 2 * samples) / squares);
}
