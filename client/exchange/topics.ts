import { MayflyError } from "../../src/errors.ts";
import { messageBytesMax, messageNumberMax } from "../../src/wire/queue.ts";
import type { CallOptions } from "../call-options.ts";
import { updateNumber } from "../collections.ts";
import type { ClientContext } from "../context.ts";
import type { SubscribeOptions, TopicMessage, Topics } from "./interfaces.ts";
import {
  addMessage,
  bytesOf,
  dataOf,
  deadlineOf,
  nameBytes,
  type Queue,
  queueNamed,
  readMessages,
} from "./queue-calls.ts";

const keptMessages = 4096;
const trimEvery = 256;
const nothing = new Uint8Array(0);

/** All topics of a job as one queue, whose oldest messages those who publish remove. */
export class QueueTopics implements Topics {
  readonly #queue: Queue;

  constructor(context: ClientContext) {
    this.#queue = queueNamed(context, "topics", "all");
  }

  async publish(topic: string, data: Uint8Array | string, options: CallOptions = {}): Promise<number> {
    const queue = this.#queue;
    const deadline = deadlineOf(queue, "publish", options);
    const [name, bytes] = [nameBytes(topic, "A topic"), bytesOf(data)];
    if (name.length + bytes.length >= messageBytesMax) {
      const message = `What is published has up to ${messageBytesMax - 1 - name.length} bytes; publish the ref of what is larger.`;
      throw new MayflyError("TOO_LARGE", message);
    }
    const number = await addMessage(queue, { id: nothing, name, data: bytes, limit: 0 }, deadline);
    if (number % trimEvery === 0) {
      await updateNumber(queue.context, queue.key, "qtrim", [number - keptMessages], deadline);
    }
    return number;
  }

  async *subscribe(prefix: string, options: SubscribeOptions = {}): AsyncGenerator<TopicMessage> {
    const queue = this.#queue;
    const begins = nameBytes(prefix, "A prefix");
    let after = options.after ?? (await this.#newest(options));
    for (;;) {
      const deadline = deadlineOf(queue, "subscribe", options);
      const { messages, last, oldest } = await readMessages(queue, after, begins, true, deadline);
      // Of those that were removed nobody knows which topics they were of.
      let missed = Math.max(0, oldest - 1 - after);
      for (const message of messages) {
        const topic = Buffer.from(message.name).toString("utf8");
        yield { topic, data: await dataOf(queue, message, deadline), number: message.number, missed };
        missed = 0;
      }
      if (messages.length === 0) return;
      after = last;
    }
  }

  async #newest(options: CallOptions): Promise<number> {
    const deadline = deadlineOf(this.#queue, "subscribe", options);
    const { newest } = await readMessages(this.#queue, messageNumberMax, nothing, false, deadline);
    return newest;
  }
}
