/**
 * RESP values in memory. One JavaScript shape for each RESP type that callers tell apart:
 *
 *     null            _  $-1  *-1
 *     boolean         #
 *     number          :  within +-(2^53 - 1); always an integer
 *     bigint          :  beyond that, and every (
 *     RespDouble      ,
 *     string          +
 *     Uint8Array      $  a Buffer, unless the reader gave a plain Uint8Array to receive into
 *     RespVerbatim    =
 *     RespError       -  and !
 *     RespValue[]     *
 *     RespMap         %
 *     RespSet         ~
 *     RespPush        >
 *
 * Attributes (|) are not values: the decoder checks and drops them.
 */
import { MayflyError } from "../errors.ts";

export type RespValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | RespDouble
  | RespVerbatim
  | RespError
  | RespValue[]
  | RespMap
  | RespSet
  | RespPush;

/** A double, boxed so that `,5` and `:5` stay distinct. */
export class RespDouble {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** Text with a format of three bytes: `txt`, `mkd`. */
export class RespVerbatim {
  readonly format: string;
  readonly bytes: Uint8Array;

  constructor(format: string, bytes: Uint8Array) {
    this.format = format;
    this.bytes = bytes;
  }
}

/** An error answer. A value, not an exception: it may stand inside an aggregate, and the reader decides. */
export class RespError {
  /** Without the leading `-` and the line end. */
  readonly line: string;

  constructor(line: string) {
    this.line = line;
  }

  toMayflyError(): MayflyError {
    return MayflyError.fromResp(this.line);
  }
}

/** Pairs in the order of the wire. Keys need not be unique, nor strings. */
export class RespMap {
  /** Key, value, key, value: what RESP2 sends for the same thing. Always an even number. */
  readonly items: RespValue[];

  constructor(items: RespValue[]) {
    this.items = items;
  }

  /** The value of the first key that is this text; undefined if there is none. */
  get(key: string): RespValue | undefined {
    for (let i = 0; i + 1 < this.items.length; i += 2) {
      if (respText(this.items[i]) === key) return this.items[i + 1];
    }
    return undefined;
  }
}

/** Members in the order of the wire; the decoder does not look for duplicates. */
export class RespSet {
  readonly items: RespValue[];

  constructor(items: RespValue[]) {
    this.items = items;
  }
}

/** Out-of-band data, or one of Mayfly's tagged replies: `mf`, tag, value. */
export class RespPush {
  readonly items: RespValue[];

  constructor(items: RespValue[]) {
    this.items = items;
  }
}

/** The text of a simple, bulk or verbatim string (UTF-8); undefined for anything else. */
export function respText(value: RespValue | undefined): string | undefined {
  if (typeof value === "string") return value;
  const bytes = value instanceof RespVerbatim ? value.bytes : value;
  if (!(bytes instanceof Uint8Array)) return undefined;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}
