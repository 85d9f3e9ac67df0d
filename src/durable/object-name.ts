/** Names of objects, ranges of their bytes, and the pieces that a body comes in: what a call is given, checked before anything is sent. */
import { MayflyError } from "../errors.ts";
import type { StoreGet } from "./object-store.ts";

export const nameBytesMax = 1024;

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
const controlCharacter = /[\u0000-\u001f\u007f]/;
const halfPair = /\p{Surrogate}/u;

/** @throws MayflyError INVALID_ARGUMENT that says what is wrong with it */
export function checkName(name: string): void {
  const wrong = wrongWithName(name);
  if (wrong === undefined) return;
  const shown = JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}...` : name);
  throw new MayflyError("INVALID_ARGUMENT", `The object name ${shown} cannot be used: ${wrong}.`);
}

function wrongWithName(name: string): string | undefined {
  if (name === "") return "it is empty";
  const bytes = Buffer.byteLength(name);
  if (bytes > nameBytesMax) return `it has ${bytes} bytes of UTF-8, above ${nameBytesMax}`;
  if (controlCharacter.test(name)) return "it has a control character";
  if (halfPair.test(name)) return "it has half of a surrogate pair";
  const segment = name.split("/").find((each) => each === "" || each === "." || each === "..");
  return segment === undefined ? undefined : `a segment of it is ${JSON.stringify(segment)}`;
}

/** What names may begin with: anything but control characters. */
export function checkPrefix(prefix: string): void {
  if (Buffer.byteLength(prefix) <= nameBytesMax && !controlCharacter.test(prefix) && !halfPair.test(prefix))
    return;
  throw new MayflyError(
    "INVALID_ARGUMENT",
    `No object name begins with ${JSON.stringify(prefix.slice(0, 200))}: it is longer than ${nameBytesMax} bytes or has a control character.`,
  );
}

/** @throws MayflyError INVALID_ARGUMENT unless both ends are whole numbers in order */
export function checkRange(range: StoreGet["range"]): void {
  if (range === undefined) return;
  const { start, end } = range;
  const isEnd = end === Number.POSITIVE_INFINITY || Number.isSafeInteger(end);
  if (Number.isSafeInteger(start) && isEnd && start >= 0 && end >= start) return;
  throw new MayflyError(
    "INVALID_ARGUMENT",
    `Bytes ${start} to ${end} are no range: give whole numbers, the first byte and the one behind the last.`,
  );
}

/** The bytes that were asked for do not fit where they should go. */
export function doesNotFit(name: string, bytes: number, into: Uint8Array): MayflyError {
  return new MayflyError(
    "TOO_LARGE",
    `${bytes} bytes of ${name} do not fit into the buffer of ${into.byteLength}: give a larger one, or a range.`,
  );
}

export function asPieces(body: Uint8Array | readonly Uint8Array[]): readonly Uint8Array[] {
  return body instanceof Uint8Array ? [body] : body;
}

export function bytesOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
}

/** The same bytes as a Buffer, in the same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
