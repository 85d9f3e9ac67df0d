/**
 * Splits an inline command ("SET key 'a b'") into arguments, by the rules of redis-cli: blanks separate; in double
 * quotes \n \r \t \b \a, \xHH and \<any> are escapes; in single quotes only \' is; a closing quote must be followed
 * by a blank or the end; a NUL ends the line.
 */
const SPACE = 32;
const QUOTE = 34;
const APOSTROPHE = 39;
const BACKSLASH = 92;
const LOWER_X = 120;

/** What follows a backslash in double quotes -> the byte that it stands for, if it is not itself. */
const escapes = new Map<number, number>([
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
  [0x62, 0x08],
  [0x61, 0x07],
]);

const isBlank = (byte: number | undefined): boolean => byte === SPACE || (byte! >= 9 && byte! <= 13);
const isEnd = (byte: number | undefined): boolean => byte === undefined || byte === 0;

function hexDigit(byte: number | undefined): number {
  const value = byte === undefined ? Number.NaN : Number.parseInt(String.fromCharCode(byte), 16);
  return Number.isNaN(value) ? -1 : value;
}

/** The arguments, in fresh memory; undefined if the quotes do not balance. An empty line has none. */
export function inlineArgs(line: Uint8Array): Buffer[] | undefined {
  const args: Buffer[] = [];
  const out = Buffer.allocUnsafe(line.length);
  let to = 0;
  let at = 0;
  for (;;) {
    while (isBlank(line[at])) at++;
    if (isEnd(line[at])) return args;
    const start = to;
    for (let quote = 0; quote !== 0 || !(isEnd(line[at]) || isBlank(line[at])); ) {
      const byte = line[at];
      if (isEnd(byte)) return undefined;
      const next = line[at + 1];
      if (quote === 0 && (byte === QUOTE || byte === APOSTROPHE)) {
        quote = byte;
        at++;
      } else if (quote !== 0 && byte === quote) {
        if (!isBlank(next) && !isEnd(next)) return undefined;
        quote = 0;
        at++;
      } else if (quote === APOSTROPHE && byte === BACKSLASH && next === APOSTROPHE) {
        out[to++] = APOSTROPHE;
        at += 2;
      } else if (quote === QUOTE && byte === BACKSLASH && !isEnd(next)) {
        const high = next === LOWER_X ? hexDigit(line[at + 2]) : -1;
        const low = high < 0 ? -1 : hexDigit(line[at + 3]);
        out[to++] = low < 0 ? (escapes.get(next!) ?? next!) : high * 16 + low;
        at += low < 0 ? 2 : 4;
      } else {
        out[to++] = byte!;
        at++;
      }
    }
    args.push(out.subarray(start, to));
  }
}
