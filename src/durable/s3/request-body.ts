/** The bytes of a put on their way out: sent from where they are, in steps that show whether they get on. */
import { Readable } from "node:stream";
import { asBuffer } from "../object-name.ts";
import type { StallWatch } from "./stall-watch.ts";

/** One write to the socket: small enough to see a stall, large enough not to cost. */
const stepBytes = 256 * 1024;

/**
 * Each attempt needs its own. `onSent` is told each step when it is handed over.
 * What is small goes as one buffer, together with the headers.
 */
export function requestBody(
  pieces: readonly Uint8Array[],
  watch: StallWatch,
  onSent: (bytes: number) => void,
): Readable | Buffer {
  const bytes = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
  if (bytes <= stepBytes) {
    onSent(bytes);
    return pieces.length === 1 ? asBuffer(pieces[0]!) : Buffer.concat(pieces);
  }
  const steps = function* (): Generator<Buffer> {
    for (const piece of pieces) {
      const buffer = asBuffer(piece);
      for (let at = 0; at < buffer.length; at += stepBytes) {
        const step = buffer.subarray(at, at + stepBytes);
        watch.touch();
        onSent(step.length);
        yield step;
      }
    }
  };
  return Readable.from(steps(), { objectMode: false, highWaterMark: stepBytes });
}
