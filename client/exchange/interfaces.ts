/** What functions say to one another: the interfaces; what does the work is loaded with the first call. */
import type { CallOptions } from "../call-options.ts";

/** `timeoutMs` is how long to wait for the next one; 30 s by default. The iteration then ends. */
export type ReceiveOptions = CallOptions;

export interface SendOptions extends CallOptions {
  /** The message is taken once, however often one with this id is sent, also by another function. Up to 512 bytes. */
  readonly id?: string;
}

export interface ChannelOptions {
  /** Messages that may wait for their receiver; who sends more waits until some are acknowledged. 1,024 by default. */
  readonly capacity?: number;
}

export interface ChannelMessage {
  /** From 1, in the order of the channel. */
  readonly number: number;
  /** Empty for a message that was sent without one. */
  readonly id: string;
  readonly data: Uint8Array;
  /** Removes the message: it was dealt with, and no receiver gets it again. */
  ack(): Promise<void>;
}

/**
 * An ordered mailbox. It is there as soon as somebody sends or receives; messages stay, on as many nodes as any cell, until they
 * are acknowledged, and a receiver that begins anew gets those that are not. For one receiver at a time.
 */
export interface Channel {
  /**
   * Resolves when the message is stored, with its number and whether it is a new one. Messages above about 16 KiB are
   * objects.
   * @throws MayflyError DEADLINE_EXCEEDED while there is no room, INVALID_ARGUMENT when the channel is closed, and as `put`
   */
  send(
    data: Uint8Array | string,
    options?: SendOptions,
  ): Promise<{ readonly number: number; readonly isNew: boolean }>;
  /** Messages in order, beginning with the oldest that was not acknowledged; ends behind the last one of a closed channel. */
  receive(options?: ReceiveOptions): AsyncGenerator<ChannelMessage>;
  /** Nothing more is sent. */
  close(options?: CallOptions): Promise<void>;
  /** Messages that were not acknowledged yet. */
  waiting(options?: CallOptions): Promise<number>;
}

export interface TaskResult {
  /** Of the task. */
  readonly id: string;
  readonly data: Uint8Array;
}

/** The results of many tasks in one place: each task's first result counts, and they are read as they arrive. */
export interface Results {
  /** Resolves with whether this one counts: false when the task has a result already. As `put`. */
  put(task: string | number, data: Uint8Array | string, options?: CallOptions): Promise<boolean>;
  /**
   * The first `count` results in the order of their arrival. `timeoutMs` is for all of them.
   * @throws MayflyError DEADLINE_EXCEEDED when there are fewer by then; those that came were yielded
   */
  first(count: number, options?: CallOptions): AsyncGenerator<TaskResult>;
  /** Those of the tasks that have no result yet. */
  stragglers(tasks: Iterable<string | number>, options?: CallOptions): Promise<string[]>;
  /** Results so far. */
  count(options?: CallOptions): Promise<number>;
}

export interface ArriveOptions extends CallOptions {
  /** Who arrives counts once, however often it does. Up to 1,024 bytes; random by default: then each call counts. */
  readonly id?: string;
}

/** Opens for good when as many have arrived as it was made for. */
export interface Latch {
  /** Resolves when it is counted. */
  arrive(options?: ArriveOptions): Promise<void>;
  /** Resolves when all have arrived. @throws MayflyError DEADLINE_EXCEEDED, with how many are missing */
  wait(options?: CallOptions): Promise<void>;
  /** How many have arrived. */
  arrived(options?: CallOptions): Promise<number>;
}

/** Where functions wait for each other, once: a barrier of the next round has another name. */
export interface Barrier {
  /** Arrives, and resolves when all have. @throws MayflyError DEADLINE_EXCEEDED, with how many are missing */
  wait(options?: ArriveOptions): Promise<void>;
}

/** A whole number, from 0 on. */
export interface Counter {
  /** Adds, once however often it has to be sent, and resolves with the sum. @throws MayflyError INVALID_ARGUMENT beyond 2^53 - 1 */
  add(by?: number, options?: CallOptions): Promise<number>;
  value(options?: CallOptions): Promise<number>;
  /** Resolves with the value once it is at least `least`. @throws MayflyError DEADLINE_EXCEEDED */
  atLeast(least: number, options?: CallOptions): Promise<number>;
}

export interface LockOptions extends CallOptions {
  /** The lock is free again after so long, unless it is extended; 30 s by default, at most 15 minutes. */
  readonly leaseMs?: number;
}

export interface HeldLock {
  /** Larger for each that gets the lock: who writes elsewhere under the lock lets that refuse smaller ones than it has seen. */
  readonly fence: bigint;
  /** From now, or no longer. @throws MayflyError VERSION_MISMATCH when the lease was over, and the lock may be another's */
  extend(leaseMs?: number, options?: CallOptions): Promise<void>;
  /** False when the lease was over already. */
  release(options?: CallOptions): Promise<boolean>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface Lock {
  /** Waits until the lock is free. @throws MayflyError DEADLINE_EXCEEDED */
  acquire(options?: LockOptions): Promise<HeldLock>;
}

export interface SubscribeOptions extends ReceiveOptions {
  /** Begins behind this message instead of with the next one. */
  readonly after?: number;
}

export interface TopicMessage {
  readonly topic: string;
  readonly data: Uint8Array;
  /** From 1, of all topics of the job. */
  readonly number: number;
  /** Messages of any topic that were forgotten before this subscriber came to read them. */
  readonly missed: number;
}

/** Messages for whoever listens: the last 4,096 of the job are kept. */
export interface Topics {
  /** Resolves with the number of the message. Up to about 16 KiB: publish the ref of what is larger. */
  publish(topic: string, data: Uint8Array | string, options?: CallOptions): Promise<number>;
  /** Messages whose topics begin with the prefix. */
  subscribe(prefix: string, options?: SubscribeOptions): AsyncGenerator<TopicMessage>;
}
