/** MessagePack records: smaller than JSON, and as free in what they say. The package is `@msgpack/msgpack`. */
import { Decoder, Encoder } from "@msgpack/msgpack";
import type { RecordCodec } from "mayfly/records";

/** A MessagePack object for each record; they follow one another. */
export function messagePack<T>(): RecordCodec<T> {
  const [encoder, decoder] = [new Encoder(), new Decoder()];
  return {
    encode: (record) => encoder.encode(record),
    decode: (block) => decoder.decodeMulti(block) as Iterable<T>,
  };
}
