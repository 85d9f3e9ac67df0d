import { MayflyError } from "../errors.ts";

/** Line breaks and tabs are fine; other control characters could move the cursor, or worse. */
const controlCharacter = /[^\P{Cc}\t\n\r]/u;

/**
 * Passes pieces on as long as they are text that a terminal can show.
 * @throws MayflyError INVALID_ARGUMENT before the first piece that is not
 */
export async function* onlyText(
  pieces: AsyncIterable<Uint8Array>,
  advice: string,
): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const refuse = (): MayflyError =>
    new MayflyError(
      "INVALID_ARGUMENT",
      `the value is not text, and standard output is a terminal; ${advice}`,
    );
  const decode = (piece?: Uint8Array): string => {
    try {
      return decoder.decode(piece, { stream: piece !== undefined });
    } catch {
      throw refuse();
    }
  };
  for await (const piece of pieces) {
    if (controlCharacter.test(decode(piece))) throw refuse();
    yield piece;
  }
  decode();
}
