import { MayflyError } from "../../src/errors.ts";
import { closedField, messagesOfQueueMax } from "../../src/wire/queue.ts";
import type { CallOptions } from "../call-options.ts";
import { readCollection, updateNumber } from "../collections.ts";
import type { ClientContext } from "../context.ts";
import type { Channel, ChannelMessage, ChannelOptions, ReceiveOptions, SendOptions } from "./interfaces.ts";
import {
  addMessage,
  bytesOf,
  dataOf,
  deadlineOf,
  nameBytes,
  type Queue,
  queueNamed,
  readMessages,
  removeMessage,
  type StoredMessage,
} from "./queue-calls.ts";

const capacityDefault = 1024;
const nothing = new Uint8Array(0);

/** A channel as a queue: the id of a message is its name, so that its receiver sees it. */
export class QueueChannel implements Channel {
  readonly #queue: Queue;
  readonly #capacity: number;

  /** @throws MayflyError INVALID_ARGUMENT */
  constructor(context: ClientContext, name: string, { capacity = capacityDefault }: ChannelOptions) {
    if (!(Number.isSafeInteger(capacity) && capacity >= 1 && capacity <= messagesOfQueueMax)) {
      const message = `capacity is ${capacity}; it is a whole number from 1 to ${messagesOfQueueMax}.`;
      throw new MayflyError("INVALID_ARGUMENT", message);
    }
    this.#queue = queueNamed(context, "channel", name);
    this.#capacity = capacity;
  }

  async send(
    data: Uint8Array | string,
    options: SendOptions = {},
  ): Promise<{ readonly number: number; readonly isNew: boolean }> {
    const deadline = deadlineOf(this.#queue, "send", options);
    const id = nameBytes(options.id ?? "", "The id of a message");
    const addition = { id, name: id, data: bytesOf(data), limit: this.#capacity };
    const number = await addMessage(this.#queue, addition, deadline);
    return { number: Math.abs(number), isNew: number > 0 };
  }

  async *receive(options: ReceiveOptions = {}): AsyncGenerator<ChannelMessage> {
    const queue = this.#queue;
    for (let after = 0; ; ) {
      const deadline = deadlineOf(queue, "receive", options);
      const { messages, last } = await readMessages(queue, after, nothing, true, deadline);
      for (const message of messages) {
        const received = await this.#received(message, options);
        if (received !== undefined) yield received;
      }
      // The channel is closed, or the time is over.
      if (messages.length === 0) return;
      after = last;
    }
  }

  /** Undefined for a message that another receiver has acknowledged meanwhile. */
  async #received(message: StoredMessage, options: ReceiveOptions): Promise<ChannelMessage | undefined> {
    const queue = this.#queue;
    const deadline = deadlineOf(queue, "receive", options);
    let data: Uint8Array;
    try {
      data = await dataOf(queue, message, deadline);
    } catch (thrown) {
      const { code } = MayflyError.from(thrown);
      if (code === "FREED" || code === "NOT_FOUND") return undefined;
      throw thrown;
    }
    return {
      number: message.number,
      id: Buffer.from(message.name).toString("utf8"),
      data,
      ack: () => removeMessage(queue, message, deadlineOf(queue, "ack", {})),
    };
  }

  async close(options: CallOptions = {}): Promise<void> {
    const { context, key } = this.#queue;
    const deadline = deadlineOf(this.#queue, "close", options);
    await updateNumber(context, key, "hset", [closedField, "1"], deadline);
  }

  async waiting(options: CallOptions = {}): Promise<number> {
    const { context, key } = this.#queue;
    const deadline = deadlineOf(this.#queue, "waiting", options);
    const room = await readCollection(context, key, ["qroom", 0], deadline);
    return room === undefined ? 0 : 0 - Number(room);
  }
}
