/** Typed records over a shuffle: everything a function may import from "mayfly/records". */
export { type BatchCodec, type BlockDecoder, jsonLines, type RecordCodec, rawRecords } from "./codec.ts";
export { partitionOf } from "./partition-of.ts";
export { readRecords, reduceRecords } from "./read-records.ts";
export { type Combiner, RecordWriter, type RecordWriterOptions } from "./record-writer.ts";
