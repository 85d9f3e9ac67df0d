/** MF.CELL.UPDATE and READ: counters, lists, hashes and sets. */
import { MayflyError } from "../../src/errors.ts";
import {
  decodeValues,
  elementBytesMax,
  elementsMax,
  nameBytesMax,
  parseInteger,
} from "../../src/wire/collection.ts";
import { messageBytesMax, messageNameBytesMax, messageNumberMax } from "../../src/wire/queue.ts";
import { formatVersion } from "../../src/wire/version.ts";
import type { UpdateRequest } from "../cells/plan-update.ts";
import type { Updated } from "../cells/primary-collections.ts";
import type { Question } from "../cells/read-collection.ts";
import type { NodeCore } from "../node-core.ts";
import { type Call, type Command, jobOf, numberArg, textArg } from "../server/call.ts";
import { cellName } from "../store/cell.ts";
import { changed, checkedKey, mutationOf, ttlMsMax, waitMsMax } from "./cell-commands.ts";

/** Names that one read asks for: with the largest values they make an answer of 1 MiB. */
const namesMax = 64;

export function collectionCommands(core: NodeCore): readonly Command[] {
  const common = { scope: "job", tagged: true } as const;
  return [
    { ...common, name: "MF.CELL.UPDATE", args: { min: 11 }, handle: (call) => update(core, call) },
    { ...common, name: "MF.CELL.READ", args: { min: 7 }, handle: (call) => read(core, call) },
  ];
}

/** `MF.CELL.UPDATE tag epoch session sequence floor condition ttlMs key operation args...` -> `[version, result]` */
function update(core: NodeCore, call: Call): void | Promise<void> {
  const ttlMs = numberArg(call, 7, ttlMsMax, "ttlMs");
  const request = requestOf(call, 9);
  const updated = core.collections.update(mutationOf(core, call, 6, 8), request, ttlMs);
  if (updated instanceof Promise) return updated.then((made) => replyUpdated(call, made));
  replyUpdated(call, updated);
}

function replyUpdated(call: Call, { version, result }: Updated): void {
  call.reply((writer) => {
    writer.arrayHeader(2);
    if (version === undefined) writer.null();
    else writer.simple(formatVersion(version));
    if (typeof result === "number") {
      writer.integer(result);
      return;
    }
    const values = decodeValues(result);
    writer.arrayHeader(values.length);
    for (const value of values) writer.bulk(value);
  });
}

/** The operation at an argument, with those that follow. @throws MayflyError INVALID_ARGUMENT, TOO_LARGE */
function requestOf(call: Call, at: number): UpdateRequest {
  const operation = textArg(call, at);
  const rest = call.args.slice(at + 1);
  const takes = (ok: boolean, what: string): void => {
    if (!ok) throw new MayflyError("INVALID_ARGUMENT", `${operation} takes ${what}.`);
  };
  switch (operation) {
    case "incr":
      takes(rest.length === 1, "one number");
      return { operation, by: integerArg(call, at + 1, "by") };
    case "lpush":
    case "rpush":
      for (const value of rest) checkElement(value);
      return { operation, values: rest };
    case "sadd":
    case "srem":
    case "hdel":
      for (const name of rest) checkName(name);
      return { operation, values: rest };
    case "hset":
      takes(rest.length % 2 === 0, "fields and values in turn");
      for (const [place, value] of rest.entries()) (place % 2 === 0 ? checkName : checkElement)(value);
      return { operation, values: rest };
    case "hincr":
      takes(rest.length === 2, "a field and a number");
      checkName(rest[0]!);
      return { operation, field: rest[0]!, by: integerArg(call, at + 2, "by") };
    case "lpop":
    case "rpop":
      takes(rest.length === 1, "how many elements");
      return { operation, count: numberArg(call, at + 1, word, "count") };
    case "ltrim":
      takes(rest.length === 2, "the places of the first and the last element to keep");
      return {
        operation,
        start: integerArg(call, at + 1, "start"),
        stop: integerArg(call, at + 2, "stop"),
      };
    case "qadd":
      takes(rest.length === 4, "an id, a name, a body and how many messages may be there");
      checkMessage(rest[0]!, rest[1]!, rest[2]!);
      return {
        ...{ operation, id: rest[0]!, name: rest[1]!, body: rest[2]! },
        limit: numberArg(call, at + 4, elementsMax, "limit"),
      };
    case "qtrim":
      takes(rest.length === 1, "the number of the last message to remove");
      return { operation, upTo: integerArg(call, at + 1, "number") };
    default:
      throw new MayflyError("INVALID_ARGUMENT", `There is no operation ${shown(operation)}.`);
  }
}

/** `MF.CELL.READ tag epoch waitMs count key what args...` -> `[version, kind, ttl left or -1, value]`, or null */
async function read(core: NodeCore, call: Call): Promise<void> {
  const job = jobOf(call);
  const untilMs = core.clock.now() + numberArg(call, 3, waitMsMax, "waitMs");
  const count = integerArg(call, 4, "count");
  const key = Buffer.from(checkedKey(call.args[5]!));
  const question = questionOf(call, 6);
  for (;;) {
    core.jobs.touch(job);
    const { shown: seen, ready } = core.collections.read(job, key, question);
    const leftMs = untilMs - core.clock.now();
    const isEnough = seen instanceof MayflyError || (seen !== undefined && seen.count >= count);
    if (!isEnough && leftMs > 0) {
      await changed(core, job, key, leftMs);
      continue;
    }
    if (ready !== undefined) await ready;
    if (seen instanceof MayflyError) throw seen;
    call.reply((writer) => {
      if (seen === undefined) {
        writer.null();
        return;
      }
      const { version, kind, expiresAtMs, value } = seen;
      writer.arrayHeader(4);
      writer.simple(formatVersion(version));
      writer.simple(kind);
      writer.integer(expiresAtMs === 0 ? -1 : Math.max(0, expiresAtMs - core.clock.wallMs()));
      if (typeof value === "number") {
        writer.integer(value);
        return;
      }
      writer.arrayHeader(value.length);
      for (const part of value) {
        if (part === null) writer.null();
        else if (typeof part === "number") writer.integer(part);
        else writer.bulk(part);
      }
    });
    return;
  }
}

/** The question at an argument, with those that follow. @throws MayflyError INVALID_ARGUMENT */
function questionOf(call: Call, at: number): Question {
  const what = textArg(call, at);
  const rest = call.args.slice(at + 1);
  const takes = (ok: boolean, which: string): void => {
    if (!ok) throw new MayflyError("INVALID_ARGUMENT", `${what} takes ${which}.`);
  };
  switch (what) {
    case "len":
      takes(rest.length === 0, "no arguments");
      return { what };
    case "lrange":
      takes(rest.length === 2, "the places of the first and the last element");
      return { what, start: integerArg(call, at + 1, "start"), stop: integerArg(call, at + 2, "stop") };
    case "hget":
    case "sismember":
      takes(rest.length > 0 && rest.length <= namesMax, `1 to ${namesMax} names`);
      return { what, names: rest.map(cellName) };
    case "hgetall":
    case "smembers":
      takes(rest.length === 1, "a cursor, empty at first");
      return { what, after: cellName(rest[0]!) };
    case "qread":
      takes(
        rest.length === 3,
        "the number to begin behind, how many messages, and what their names begin with",
      );
      return {
        ...{
          what,
          after: messageNumber(call, at + 1),
          max: Math.max(1, numberArg(call, at + 2, word, "max")),
        },
        prefix: textArg(call, at + 3),
      };
    case "qrow":
      takes(rest.length === 3, "the number to begin behind, how many messages, and which row");
      return {
        ...{
          what,
          after: messageNumber(call, at + 1),
          max: Math.max(1, numberArg(call, at + 2, word, "max")),
        },
        ...{ prefix: "", row: numberArg(call, at + 3, word, "row") },
      };
    case "qroom":
      takes(rest.length === 1, "how many messages may be there");
      return { what, limit: integerArg(call, at + 1, "limit") };
    default:
      throw new MayflyError("INVALID_ARGUMENT", `Nobody can read ${shown(what)}.`);
  }
}

const word = 2 ** 32 - 1;

/** A whole number, also below 0. @throws MayflyError INVALID_ARGUMENT */
function integerArg(call: Call, at: number, what: string): number {
  const value = parseInteger(call.args[at]!);
  if (value !== undefined) return value;
  const most = Number.MAX_SAFE_INTEGER;
  const message = `${what} is ${shown(textArg(call, at))}; it is a whole number from -${most} to ${most}.`;
  throw new MayflyError("INVALID_ARGUMENT", message);
}

function checkElement(value: Buffer): void {
  if (value.length <= elementBytesMax) return;
  throw new MayflyError("TOO_LARGE", `An element has up to ${elementBytesMax} bytes, not ${value.length}.`);
}

/** Fields and members; an empty one could not be told from the beginning of a page. */
function checkName(name: Buffer): void {
  if (name.length >= 1 && name.length <= nameBytesMax) return;
  const message = `A field or a member has 1 to ${nameBytesMax} bytes, not ${name.length}.`;
  throw new MayflyError("INVALID_ARGUMENT", message);
}

function checkMessage(id: Buffer, name: Buffer, body: Buffer): void {
  if (id.length <= messageNameBytesMax && name.length <= messageNameBytesMax) {
    const bytes = name.length + body.length;
    if (bytes <= messageBytesMax) return;
    const message = `A message and its name have up to ${messageBytesMax} bytes, not ${bytes}; send an object's ref.`;
    throw new MayflyError("TOO_LARGE", message);
  }
  const longest = Math.max(id.length, name.length);
  const message = `The id and the name of a message have up to ${messageNameBytesMax} bytes, not ${longest}.`;
  throw new MayflyError("INVALID_ARGUMENT", message);
}

function messageNumber(call: Call, at: number): number {
  const number = integerArg(call, at, "number");
  if (number >= 0 && number <= messageNumberMax) return number;
  throw new MayflyError(
    "INVALID_ARGUMENT",
    `Messages are numbered from 1 to ${messageNumberMax}, not ${number}.`,
  );
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 40));
}
