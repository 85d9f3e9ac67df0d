/** How functions of a job speak to one another: mailboxes, fan-ins, barriers, counters, locks, topics. */

import type { CallOptions } from "../call-options.ts";
import type { ClientContext } from "../context.ts";
import { later } from "../later.ts";
import type { PartitionReader, Shuffle, ShuffleOptions, ShuffleWriter } from "../shuffle/interfaces.ts";
import type { OpenShuffle } from "../shuffle/open-shuffle.ts";
import type {
  Barrier,
  Channel,
  ChannelOptions,
  Counter,
  Latch,
  Lock,
  Results,
  SubscribeOptions,
  TopicMessage,
  Topics,
} from "./interfaces.ts";

const load = () => import("./loaded.ts");

/** The part of a job that functions exchange through. Names are the job's own; nothing needs to be made before it is used. */
export class Exchange {
  readonly #context: ClientContext;
  readonly #topics: Topics;

  /** @internal */
  constructor(context: ClientContext) {
    this.#context = context;
    this.#topics = later<Topics>(async () => new (await load()).QueueTopics(context), ["subscribe"]);
  }

  /** The mailbox of that name. */
  channel(name: string, options: ChannelOptions = {}): Channel {
    return later<Channel>(
      async () => new (await load()).QueueChannel(this.#context, name, options),
      ["receive"],
    );
  }

  /** The results of tasks, gathered under that name. */
  results(name: string): Results {
    return later<Results>(async () => new (await load()).QueueResults(this.#context, name), ["first"]);
  }

  /** Opens when `parties` have arrived. */
  latch(name: string, parties: number): Latch {
    return later<Latch>(async () => new (await load()).SetLatch(this.#context, "latch", name, parties));
  }

  /** Where `parties` functions wait for one another. */
  barrier(name: string, parties: number): Barrier {
    return later<Barrier>(async () => new (await load()).LatchBarrier(this.#context, name, parties));
  }

  /** All-to-all exchange between maps and readers of partitions, exactly once. */
  shuffle(name: string, options: ShuffleOptions): Shuffle {
    const open = async () =>
      (await import("../shuffle/open-shuffle.ts")).openShuffle(this.#context, name, options);
    const { progress, delete: remove } = later<OpenShuffle>(open);
    return {
      writer: (map, of) => later<ShuffleWriter>(async () => (await open()).writer(map, of)),
      reader: (partition, of) => later<PartitionReader>(async () => (await open()).reader(partition, of)),
      progress,
      delete: remove,
    };
  }

  counter(name: string): Counter {
    return later<Counter>(async () => new (await load()).CellCounter(this.#context, name));
  }

  lock(name: string): Lock {
    return later<Lock>(async () => new (await load()).CellLock(this.#context, name));
  }

  /** Tells all who subscribe to a prefix of the topic; resolves with the number of the message. */
  publish(topic: string, data: Uint8Array | string, options: CallOptions = {}): Promise<number> {
    return this.#topics.publish(topic, data, options);
  }

  /** What is published from the first `next()` on, of all topics that begin with the prefix. */
  subscribe(prefix: string, options: SubscribeOptions = {}): AsyncGenerator<TopicMessage> {
    return this.#topics.subscribe(prefix, options);
  }
}
