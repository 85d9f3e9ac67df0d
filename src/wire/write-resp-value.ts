import {
  RespDouble,
  RespError,
  RespMap,
  type RespPush,
  RespSet,
  type RespValue,
  RespVerbatim,
} from "./resp-value.ts";
import type { RespWriter } from "./resp-writer.ts";

/**
 * Writes a decoded value on, for another connection that may speak another protocol. Under RESP3 it decodes to the
 * same again, except that a big number within 64 bits becomes an integer and line breaks in an error spaces.
 */
export function writeRespValue(writer: RespWriter, value: RespValue): void {
  if (value === null) writer.null();
  else if (typeof value === "boolean") writer.bool(value);
  else if (typeof value === "number" || typeof value === "bigint") writer.integer(value);
  else if (typeof value === "string") writer.simple(value);
  else if (value instanceof Uint8Array) writer.bulk(value);
  else if (value instanceof RespDouble) writer.double(value.value);
  else if (value instanceof RespVerbatim) writer.verbatim(value.format, value.bytes);
  else if (value instanceof RespError) writer.error(value.line);
  else writeAggregate(writer, value);
}

function writeAggregate(writer: RespWriter, value: RespValue[] | RespMap | RespSet | RespPush): void {
  let items: RespValue[];
  if (Array.isArray(value)) {
    items = value;
    writer.arrayHeader(items.length);
  } else {
    items = value.items;
    if (value instanceof RespMap) writer.mapHeader(items.length / 2);
    else if (value instanceof RespSet) writer.setHeader(items.length);
    else writer.pushHeader(items.length);
  }
  for (const item of items) writeRespValue(writer, item);
}
