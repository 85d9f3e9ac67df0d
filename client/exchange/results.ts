import { MayflyError } from "../../src/errors.ts";
import { idPrefix } from "../../src/wire/queue.ts";
import type { CallOptions } from "../call-options.ts";
import { readCollection } from "../collections.ts";
import type { ClientContext } from "../context.ts";
import type { Results, TaskResult } from "./interfaces.ts";
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

const nothing = new Uint8Array(0);
/** In one question to a node. */
const namesPerRead = 64;

/** A fan-in as a queue from which nothing is removed: the task is the id, so that its first result is the only one. */
export class QueueResults implements Results {
  readonly #queue: Queue;

  /** @throws MayflyError INVALID_ARGUMENT */
  constructor(context: ClientContext, name: string) {
    this.#queue = queueNamed(context, "results", name);
  }

  async put(task: string | number, data: Uint8Array | string, options: CallOptions = {}): Promise<boolean> {
    const deadline = deadlineOf(this.#queue, "put", options);
    const id = taskBytes(task);
    const addition = { id, name: id, data: bytesOf(data), limit: 0 };
    return (await addMessage(this.#queue, addition, deadline)) > 0;
  }

  async *first(count: number, options: CallOptions = {}): AsyncGenerator<TaskResult> {
    if (!Number.isSafeInteger(count) || count < 0)
      throw new MayflyError("INVALID_ARGUMENT", `${count} is no number of results.`);
    const queue = this.#queue;
    const deadline = deadlineOf(queue, "first", options);
    for (let after = 0, yielded = 0; yielded < count; ) {
      const { messages, last } = await readMessages(queue, after, nothing, true, deadline);
      if (messages.length === 0) {
        const message = `${yielded} of the first ${count} results of ${queue.what} came in time; ask for its stragglers.`;
        throw new MayflyError("DEADLINE_EXCEEDED", message);
      }
      for (const message of messages.slice(0, count - yielded)) {
        const data = await dataOf(queue, message, deadline);
        yielded += 1;
        yield { id: Buffer.from(message.name).toString("utf8"), data };
      }
      after = last;
    }
  }

  async stragglers(tasks: Iterable<string | number>, options: CallOptions = {}): Promise<string[]> {
    const { context, key } = this.#queue;
    const deadline = deadlineOf(this.#queue, "stragglers", options);
    const names = [...tasks].map(String);
    const missing: string[] = [];
    for (let at = 0; at < names.length; at += namesPerRead) {
      const some = names.slice(at, at + namesPerRead);
      const fields = some.map((name) => Buffer.concat([Buffer.from(idPrefix), taskBytes(name)]));
      const found = await readCollection(context, key, ["hget", ...fields], deadline);
      const numbers = Array.isArray(found) ? found : [];
      missing.push(...some.filter((_, place) => (numbers[place] ?? null) === null));
    }
    return missing;
  }

  async count(options: CallOptions = {}): Promise<number> {
    const { context, key } = this.#queue;
    const room = await readCollection(context, key, ["qroom", 0], deadlineOf(this.#queue, "count", options));
    return room === undefined ? 0 : 0 - Number(room);
  }
}

/** @throws MayflyError INVALID_ARGUMENT */
function taskBytes(task: string | number): Uint8Array {
  const bytes = nameBytes(String(task), "The id of a task");
  if (bytes.length > 0) return bytes;
  throw new MayflyError("INVALID_ARGUMENT", "The id of a task is not empty.");
}
