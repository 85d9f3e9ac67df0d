/** Queues: adding and reading messages, whose bodies may be objects. */
import { MayflyError } from "../../src/errors.ts";
import {
  bodyIsInline,
  bodyIsRef,
  decodeMessage,
  messageBytesMax,
  messageField,
  messageNameBytesMax,
} from "../../src/wire/queue.ts";
import { decodeRef, encodeRef, Ref } from "../../src/wire/ref.ts";
import type { RespValue } from "../../src/wire/resp-value.ts";
import { inlineBytesMax } from "../../src/wire/stripe-layout.ts";
import type { CallOptions } from "../call-options.ts";
import { deleteCell, keyBytes } from "../cells.ts";
import { readCollection, updateNumber } from "../collections.ts";
import type { ClientContext } from "../context.ts";
import { readObject } from "../objects/read-object.ts";
import { stripesOfBytes } from "../objects/stripe-source.ts";
import { writeObject } from "../objects/write-object.ts";
import { type Deadline, startDeadline } from "../transport/deadline.ts";

const timeoutMsDefault = 30_000;

/** In one answer of a node. */
const messagesPerRead = 64;
const rowsPerRead = 1000;

/** A queue that a caller has named. */
export interface Queue {
  readonly context: ClientContext;
  readonly key: Uint8Array;
  /** For messages: `channel "enc-3"`. */
  readonly what: string;
}

export interface StoredMessage {
  readonly number: number;
  readonly name: Uint8Array;
  readonly body: Uint8Array;
}

/** @param kind of what is named, first part of its key: `channel` */
export function queueNamed(context: ClientContext, kind: string, name: string): Queue {
  return { context, key: exchangeKey(kind, name), what: `${kind} ${JSON.stringify(name)}` };
}

/** Keys of what functions exchange begin with `mf:`. @throws MayflyError INVALID_ARGUMENT */
export function exchangeKey(kind: string, name: string): Uint8Array {
  if (typeof name === "string" && name !== "") return keyBytes(`mf:${kind}/${name}`);
  throw new MayflyError("INVALID_ARGUMENT", `A ${kind} has a name, a string that is not empty.`);
}

export function deadlineOf({ context, what }: Queue, call: string, options: CallOptions): Deadline {
  const { timeoutMs = timeoutMsDefault, signal } = options;
  return startDeadline(context.clock, timeoutMs, signal, () => `${call} of ${what}`);
}

export function bytesOf(data: Uint8Array | string): Uint8Array {
  if (typeof data === "string") return Buffer.from(data, "utf8");
  if (data instanceof Uint8Array) return data;
  throw new MayflyError("INVALID_ARGUMENT", `What is sent is a string or a Uint8Array, not ${typeof data}.`);
}

/** @throws MayflyError INVALID_ARGUMENT */
export function nameBytes(name: string, what: string): Uint8Array {
  const bytes = Buffer.from(name, "utf8");
  if (bytes.length <= messageNameBytesMax) return bytes;
  throw new MayflyError(
    "INVALID_ARGUMENT",
    `${what} has up to ${messageNameBytesMax} bytes, not ${bytes.length}.`,
  );
}

export interface Addition {
  readonly id: Uint8Array;
  readonly name: Uint8Array;
  readonly data: Uint8Array;
  /** Messages that may be there at a time; 0: any number. */
  readonly limit: number;
}

/**
 * The number of the message; minus that of the one that has this id, when there is one. Waits on the server while there is no
 * room.
 */
export async function addMessage(queue: Queue, addition: Addition, deadline: Deadline): Promise<number> {
  const { context, key } = queue;
  const { id, name, data, limit } = addition;
  const isInline = data.length <= inlineBytesMax;
  const object = isInline ? undefined : await writeBody(queue, data, deadline);
  const body =
    object === undefined
      ? Buffer.concat([Buffer.of(bodyIsInline), data])
      : Buffer.concat([Buffer.of(bodyIsRef), refBytes(object, messageBytesMax - name.length - 1)]);
  let number = 0;
  try {
    for (;;) {
      number = await updateNumber(context, key, "qadd", [id, name, body, limit], deadline);
      if (number !== 0) return number;
      await readCollection(context, key, ["qroom", limit], deadline, {
        count: 1,
        isEnough: (room) => Number(room) > 0,
      });
    }
  } finally {
    if (object !== undefined && number <= 0) await removeBody(queue, object.key, deadline);
  }
}

async function writeBody(queue: Queue, data: Uint8Array, deadline: Deadline): Promise<Ref> {
  const { context, key } = queue;
  const name = Buffer.from(context.rng.bytes(12)).toString("base64url");
  const write = {
    key: keyBytes(Buffer.concat([key, Buffer.from(`/${name}`)])),
    ...{ stripes: stripesOfBytes(data, context.code), whole: data, condition: undefined, ttlMs: 0 },
  };
  return await writeObject(context, write, deadline);
}

function refBytes(ref: Ref, bytesMax: number): Uint8Array {
  const encoded = encodeRef(ref);
  return encoded.length <= bytesMax ? encoded : encodeRef(new Ref({ ...ref, stripes: undefined }));
}

/** Best effort: it goes with the job at the latest. */
async function removeBody({ context }: Queue, key: Uint8Array, deadline: Deadline): Promise<void> {
  await deleteCell(context, key, undefined, deadline).catch(() => undefined);
}

export interface MessagesRead {
  readonly messages: readonly StoredMessage[];
  /** The number up to which there is nothing else. */
  readonly last: number;
  readonly isClosed: boolean;
  /** 0 where there is none. */
  readonly oldest: number;
  /** That ever was. */
  readonly newest: number;
}

/**
 * Messages behind a number; with `waits` held back on the server until there is one, or shortly before the deadline.
 * @param messagesMax at a time, up to 1,000; the node answers with about 1 MiB at most
 */
export async function readMessages(
  { context, key, what }: Queue,
  after: number,
  prefix: Uint8Array,
  waits: boolean,
  deadline: Deadline,
  messagesMax: number = messagesPerRead,
): Promise<MessagesRead> {
  // What was passed over once is not looked at again.
  let last = after;
  const isEnough = (value: RespValue): boolean => {
    const read = parseMessages(value, last, what);
    last = read.last;
    return read.messages.length > 0 || read.isClosed;
  };
  const wait = waits ? { count: 1, isEnough } : undefined;
  const question = ["qread", after, messagesMax, prefix];
  const value = await readCollection(context, key, question, deadline, wait);
  if (value !== undefined) return parseMessages(value, last, what);
  return { messages: [], last, isClosed: false, oldest: 0, newest: 0 };
}

function parseMessages(value: RespValue, after: number, what: string): MessagesRead {
  if (!Array.isArray(value))
    throw new MayflyError("PROTOCOL", `A node answered with no messages of ${what}.`);
  const [reached, closed, oldest, newest, ...found] = value;
  const messages: StoredMessage[] = [];
  for (let at = 0; at + 1 < found.length; at += 2) messages.push(messageOf(found[at], found[at + 1], what));
  const last = Math.max(after, Number(reached));
  return { messages, last, isClosed: closed === 1, oldest: Number(oldest), newest: Number(newest) };
}

/** The row of each table behind a number, in place of its body. */
export async function readTableRows(
  { context, key, what }: Queue,
  after: number,
  row: number,
  deadline: Deadline,
): Promise<MessagesRead> {
  const value = await readCollection(context, key, ["qrow", after, rowsPerRead, row], deadline);
  if (value !== undefined) return parseMessages(value, after, what);
  return { messages: [], last: after, isClosed: false, oldest: 0, newest: 0 };
}

function messageOf(number: RespValue | undefined, bytes: RespValue | undefined, what: string): StoredMessage {
  const message = bytes instanceof Uint8Array ? decodeMessage(bytes) : undefined;
  if (typeof number === "number" && message !== undefined && message.body.length > 0)
    return { number, ...message };
  throw new MayflyError("PROTOCOL", `A node answered with something that is no message of ${what}.`);
}

/** The bytes of a message. @throws MayflyError FREED when it is an object, and was removed meanwhile */
export async function dataOf(
  { context }: Queue,
  { body }: StoredMessage,
  deadline: Deadline,
): Promise<Uint8Array> {
  if (body[0] === bodyIsInline) return body.subarray(1);
  return await readObject(context, decodeRef(body.subarray(1)), undefined, undefined, deadline);
}

/** Removes a message, and what it names. */
export async function removeMessage(
  queue: Queue,
  { number, body }: StoredMessage,
  deadline: Deadline,
): Promise<void> {
  const field = Buffer.from(messageField(number), "latin1");
  await updateNumber(queue.context, queue.key, "hdel", [field], deadline);
  if (body[0] === bodyIsRef) await removeBody(queue, decodeRef(body.subarray(1)).key, deadline);
}
