/** What does the work of an exchange: one chunk of the SDK, loaded with the first call of any of it. */
export { QueueChannel } from "./channel.ts";
export { CellCounter } from "./counter.ts";
export { LatchBarrier, SetLatch } from "./latch.ts";
export { CellLock } from "./lock.ts";
export { QueueResults } from "./results.ts";
export { QueueTopics } from "./topics.ts";
