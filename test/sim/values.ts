/** Values that say what they are: the bytes of a put begin with its name, and follow from it to the last. */

/** How many bytes the value has is a part of its name. */
export function nameOf(writer: string, number: number, sizeBytes: number): string {
  return `${writer}.${number}*${sizeBytes}`;
}

/** Longer than any name, so that each value has one. */
export const valueBytesMin = 24;

export function bytesOf(name: string): Buffer {
  const sizeBytes = Number(name.slice(name.indexOf("*") + 1));
  const bytes = Buffer.alloc(sizeBytes);
  let state = 0x811c9dc5;
  for (let at = 0; at < name.length; at++) state = Math.imul(state ^ name.charCodeAt(at), 0x01000193) | 1;
  for (let at = 0; at < sizeBytes; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state;
  }
  bytes.write(`${name}\n`, 0, "latin1");
  return bytes;
}

export type Read =
  | { readonly right: true; readonly name: string }
  | { readonly right: false; readonly what: string };

/** Which value these bytes are, all of them checked. */
export function readValue(bytes: Uint8Array): Read {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, valueBytesMin));
  const name = text.toString("latin1").split("\n")[0]!;
  const isRight = /^[^*]+\*\d+$/.test(name) && Buffer.compare(bytesOf(name), bytes) === 0;
  if (isRight) return { right: true, name };
  return { right: false, what: `${bytes.length} bytes that begin with ${JSON.stringify(name)}` };
}
