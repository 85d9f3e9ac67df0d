/** What a queue is asked to take, and what it shows (src/wire/queue.ts): decides, and only decides. */
import { MayflyError } from "../../src/errors.ts";
import { parseInteger } from "../../src/wire/collection.ts";
import {
  bodyIsInline,
  closedField,
  countField,
  decodeMessage,
  encodeMessage,
  idPrefix,
  idsField,
  messageField,
  messagePrefix,
  numberOfField,
  rowOfTable,
} from "../../src/wire/queue.ts";
import type { Hash } from "../store/collections.ts";

/** Messages in one answer, and that one `qtrim` removes. */
export const messagesMax = 1000;
/** Bytes of messages in one answer, but at least one message. */
const readBytesMax = 1024 * 1024;
/** Messages that one read looks at: one that finds none for it is told how far it came. */
const lookedAtMax = 20_000;

/** Names and values in turn, that of the number of messages first; or the number that the id was added with before; 0: no room. */
export type Added = { readonly fields: readonly Uint8Array[] } | { readonly unchanged: number };

/**
 * @param id empty for a message that may come as often as it is sent
 * @param limit messages that may be there at a time; 0 for any number
 * @throws MayflyError INVALID_ARGUMENT for a queue that was closed
 */
export function addMessage(
  queue: Hash | undefined,
  id: Uint8Array,
  name: Uint8Array,
  body: Uint8Array,
  limit: number,
): Added {
  const known = id.length === 0 ? undefined : numberIn(queue, idPrefix + latin1(id));
  if (known !== undefined) return { unchanged: -known };
  if (queue?.has(closedField)) {
    throw new MayflyError(
      "INVALID_ARGUMENT",
      "This channel was closed by a sender; nothing more is sent to it.",
    );
  }
  if (limit > 0 && waiting(queue) >= limit) return { unchanged: 0 };
  const number = (numberIn(queue, countField) ?? 0) + 1;
  const text = Buffer.from(String(number));
  const message = Buffer.from(messageField(number), "latin1");
  const fields = [Buffer.from(countField), text, message, encodeMessage({ name, body })];
  if (id.length > 0) {
    const ids = (numberIn(queue, idsField) ?? 0) + 1;
    fields.push(Buffer.concat([Buffer.from(idPrefix), id]), text);
    fields.push(Buffer.from(idsField), Buffer.from(String(ids)));
  }
  return { fields };
}

/** The fields of the messages up to a number, the oldest first. */
export function messagesUpTo(queue: Hash | undefined, upTo: number): Uint8Array[] {
  const fields: Uint8Array[] = [];
  for (const [field] of queue?.after(messagePrefix) ?? []) {
    const number = numberOfField(field);
    if (number === undefined || number > upTo || fields.length === messagesMax) break;
    fields.push(Buffer.from(field, "latin1"));
  }
  return fields;
}

/** Messages that were not removed yet. */
export function waiting(queue: Hash | undefined): number {
  if (queue === undefined) return 0;
  const ids = numberIn(queue, idsField);
  const others = Number(queue.has(countField)) + Number(queue.has(closedField));
  return queue.size - others - (ids === undefined ? 0 : ids + 1);
}

export interface QueueRead {
  readonly after: number;
  readonly max: number;
  /** Of the names of messages, as latin-1. */
  readonly prefix: string;
  /** Of bodies that are tables: instead of the body. Messages without such a row are passed over. */
  readonly row?: number;
}

/**
 * `[how far it came, 1 when the queue is closed, number of the oldest message, of the newest that ever was, number, message, ...]`:
 * messages behind a number whose names begin with the prefix. The oldest is 0 where there is none.
 */
export function readMessages(queue: Hash, { after, max, prefix, row }: QueueRead): (Uint8Array | number)[] {
  const found: (Uint8Array | number)[] = [];
  let [last, bytes, looked] = [after, 0, 0];
  for (const [field, block] of queue.after(messageField(after))) {
    const number = numberOfField(field);
    if (number === undefined || looked++ === lookedAtMax) break;
    const shown = row === undefined ? block.view() : withRow(block.view(), row);
    if (shown !== undefined && isNamed(shown, prefix)) {
      bytes += shown.length;
      if (found.length > 0 && (bytes > readBytesMax || found.length === 2 * Math.min(max, messagesMax)))
        break;
      found.push(number, Buffer.from(shown));
    }
    last = number;
  }
  const [oldest] = queue.after(messagePrefix);
  const oldestNumber = oldest === undefined ? undefined : numberOfField(oldest[0]);
  const newest = numberIn(queue, countField) ?? 0;
  return [last, Number(queue.has(closedField)), oldestNumber ?? 0, newest, ...found];
}

/** What a wait for messages compares with its count; a closed queue is waited for no more. */
export function countOfRead([, closed, , , ...found]: readonly (Uint8Array | number | null)[]): number {
  return closed === 1 ? Number.MAX_SAFE_INTEGER : found.length / 2;
}

function withRow(message: Uint8Array, row: number): Uint8Array | undefined {
  const decoded = decodeMessage(message);
  if (decoded?.body[0] !== bodyIsInline) return undefined;
  const body = rowOfTable(decoded.body.subarray(1), row);
  return body && encodeMessage({ name: decoded.name, body });
}

function isNamed(message: Uint8Array, prefix: string): boolean {
  if (prefix === "") return true;
  const decoded = decodeMessage(message);
  return decoded !== undefined && latin1(decoded.name).startsWith(prefix);
}

function numberIn(queue: Hash | undefined, field: string): number | undefined {
  const block = queue?.get(field);
  return block === undefined ? undefined : parseInteger(block.view());
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
