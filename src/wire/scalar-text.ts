import { protocolError } from "./protocol-error.ts";
import { BIG_NUMBER, BOOLEAN, DOUBLE } from "./resp-types.ts";
import { RespDouble, type RespValue } from "./resp-value.ts";

const UPPER_O = 0x4f;
const UPPER_K = 0x4b;
const LOWER_M = 0x6d;
const LOWER_F = 0x66;

const doubleGrammar = /^[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?$/;
const integerGrammar = /^[+-]?\d+$/;
const specialDoubles = new Map([
  ["inf", Number.POSITIVE_INFINITY],
  ["+inf", Number.POSITIVE_INFINITY],
  ["-inf", Number.NEGATIVE_INFINITY],
  ["nan", Number.NaN],
  ["-nan", Number.NaN],
]);

/** The text of a simple string. The two that every stream is full of cost no allocation. */
export function simpleOf(source: Buffer, start: number, end: number): string {
  if (end - start === 2) {
    if (source[start] === UPPER_O && source[start + 1] === UPPER_K) return "OK";
    if (source[start] === LOWER_M && source[start + 1] === LOWER_F) return "mf";
  }
  return source.toString("utf8", start, end);
}

/**
 * The value of a line that is a double, big number, boolean or null.
 * @throws MayflyError PROTOCOL if the text is not one.
 */
export function scalarOf(type: number, text: string): RespValue {
  switch (type) {
    case DOUBLE: {
      const value = specialDoubles.get(text.toLowerCase());
      if (value === undefined && !doubleGrammar.test(text)) throw protocolError("invalid double");
      return new RespDouble(value ?? Number(text));
    }
    case BIG_NUMBER:
      if (!integerGrammar.test(text)) throw protocolError("invalid big number");
      return BigInt(text.startsWith("+") ? text.slice(1) : text);
    case BOOLEAN:
      if (text !== "t" && text !== "f") throw protocolError("invalid boolean");
      return text === "t";
    default:
      if (text !== "") throw protocolError("null with content");
      return null;
  }
}
