/** The client SDK: everything a function may import from "mayfly". */
export { type ErrorCode, type ErrorKind, MayflyError } from "../src/errors.ts";
export { Ref } from "../src/wire/ref.ts";
export type { CallOptions } from "./call-options.ts";
export { type ConnectOptions, connect } from "./connect.ts";
export type { ImportOptions, ImportResult, PersistOptions, PersistResult } from "./durable/interfaces.ts";
export type {
  ArriveOptions,
  Barrier,
  Channel,
  ChannelMessage,
  ChannelOptions,
  Counter,
  HeldLock,
  Latch,
  Lock,
  LockOptions,
  ReceiveOptions,
  Results,
  SendOptions,
  SubscribeOptions,
  TaskResult,
  TopicMessage,
} from "./exchange/interfaces.ts";
export {
  type ByteStream,
  type DeleteOptions,
  type EndOptions,
  type GetOptions,
  Job,
  type Key,
  type KeyStat,
  type PutOptions,
} from "./job.ts";
export type { KeyEntry } from "./list-keys.ts";
export type { ByteRange } from "./objects/read-object.ts";
export type { RangeRead } from "./objects/read-ranges.ts";
export type {
  CommittedMap,
  PartitionReader,
  ReaderOptions,
  Shuffle,
  ShuffleBlock,
  ShuffleOptions,
  ShuffleProgress,
  ShuffleWriter,
  WriterOptions,
} from "./shuffle/interfaces.ts";
export type { MapsLostError } from "./shuffle/maps-lost.ts";
