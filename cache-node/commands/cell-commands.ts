/** MF.CELL.*: reading, waiting for, writing, deleting and listing cells, and aborting objects. */
import { MayflyError } from "../../src/errors.ts";
import type { Group, JobNumber } from "../../src/ids.ts";
import { compareEpochs, formatEpoch, parseEpoch } from "../../src/placement/epoch.ts";
import { groupCount, groupOf } from "../../src/placement/groups.ts";
import { durableBytes, plainBytes } from "../../src/wire/durable-value.ts";
import { decodeRef, keyBytesMax } from "../../src/wire/ref.ts";
import { referenceBytesMinDefault } from "../../src/wire/request-writer.ts";
import { formatVersion, parseVersion, type Version } from "../../src/wire/version.ts";
import type { Mutation } from "../cells/mutation-log.ts";
import { wrongType } from "../cells/plan-update.ts";
import type { NodeCore } from "../node-core.ts";
import { type Call, type Command, jobOf, numberArg, textArg } from "../server/call.ts";
import { type Cell, cellName } from "../store/cell.ts";
import { isCollection } from "../store/group-cells.ts";

export const ttlMsMax: number = 366 * 24 * 3600 * 1000;
export const waitMsMax = 60_000;
const listKeysMax = 10_000;
const word = 2 ** 32 - 1;

export function cellCommands(core: NodeCore): readonly Command[] {
  const common = { scope: "job", tagged: true } as const;
  return [
    { ...common, name: "MF.CELL.GET", args: { min: 5, max: 5 }, handle: (call) => get(core, call) },
    { ...common, name: "MF.CELL.WATCH", args: { min: 6, max: 6 }, handle: (call) => watch(core, call) },
    { ...common, name: "MF.CELL.SET", args: { min: 11, max: 11 }, handle: (call) => set(core, call) },
    { ...common, name: "MF.CELL.DEL", args: { min: 8, max: 8 }, handle: (call) => del(core, call) },
    { ...common, name: "MF.CELL.ABORT", args: { min: 8, max: 8 }, handle: (call) => abort(core, call) },
    { ...common, name: "MF.CELL.LIST", args: { min: 7, max: 7 }, handle: (call) => list(core, call) },
  ];
}

/** `MF.CELL.GET tag epoch waitMs key` -> `[version, kind, ttl left or -1, value]`, or null */
function get(core: NodeCore, call: Call): void | Promise<void> {
  const job = jobOf(call);
  const waitMs = numberArg(call, 3, waitMsMax, "waitMs");
  const key = checkedKey(call.args[4]!);
  core.jobs.touch(job);
  const { cell, ready } = core.primary.read(job, key);
  if (ready !== undefined || (waitMs > 0 && isWaitedFor(cell))) {
    return getLater(core, call, job, Buffer.from(key), waitMs);
  }
  replyCell(core, call, cell);
}

/** Nothing is there, and nothing was there lately: a read that may wait does. */
function isWaitedFor(cell: Cell | undefined): boolean {
  return cell?.block === undefined && cell?.kind !== "expired";
}

async function getLater(
  core: NodeCore,
  call: Call,
  job: JobNumber,
  key: Buffer,
  waitMs: number,
): Promise<void> {
  const untilMs = core.clock.now() + waitMs;
  for (;;) {
    core.jobs.touch(job);
    const { cell, ready } = core.primary.read(job, key);
    const leftMs = untilMs - core.clock.now();
    if (isWaitedFor(cell) && leftMs > 0) {
      await changed(core, job, key, leftMs);
    } else if (ready === undefined) {
      replyCell(core, call, cell);
      return;
    } else {
      cell?.block?.pin();
      try {
        await ready;
        replyCell(core, call, cell);
      } finally {
        cell?.block?.unpin();
      }
      return;
    }
  }
}

/** `MF.CELL.WATCH tag epoch waitMs version key` -> the key's version, or null; held back while it is the one named */
async function watch(core: NodeCore, call: Call): Promise<void> {
  const job = jobOf(call);
  const untilMs = core.clock.now() + numberArg(call, 3, waitMsMax, "waitMs");
  const known = textArg(call, 4);
  if (known !== "") parseVersion(known);
  const key = keyArg(call, 5);
  for (;;) {
    core.jobs.touch(job);
    const { cell, ready } = core.primary.read(job, key);
    const version = cell?.block === undefined ? "" : formatVersion(cell.version);
    const leftMs = untilMs - core.clock.now();
    if (version === known && leftMs > 0) {
      await changed(core, job, key, leftMs);
      continue;
    }
    await ready;
    call.reply((writer) => (version === "" ? writer.null() : writer.simple(version)));
    return;
  }
}

/** Resolves when the key changes, or after `waitMs`. */
export function changed(core: NodeCore, job: JobNumber, key: Buffer, waitMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    core.waits.add(job, groupOf(key), cellName(key), waitMs, (error) => (error ? reject(error) : resolve()));
  });
}

function replyCell(core: NodeCore, call: Call, cell: Cell | undefined): void {
  if (cell?.kind === "expired") throw new MayflyError("EXPIRED", "What was at this key has expired.");
  if (cell !== undefined && isCollection(cell.kind)) throw wrongType(cell, "read it with MF.CELL.READ");
  call.reply((writer) => {
    if (cell?.block === undefined) {
      writer.null();
      return;
    }
    writer.arrayHeader(4);
    writer.simple(formatVersion(cell.version));
    writer.simple(cell.kind === "durable" ? "bytes" : cell.kind);
    writer.integer(cell.expiresAtMs === 0 ? -1 : Math.max(0, cell.expiresAtMs - core.clock.wallMs()));
    writer.bulk(cell.kind === "durable" ? plainBytes(cell.block.view()) : cell.block.view());
    // The largest cells are sent from where they are, and may be freed meanwhile.
    if (cell.block.length >= referenceBytesMinDefault) call.connection.pinUntilSent(cell.block);
  });
}

/** `MF.CELL.SET tag epoch session sequence floor condition ttlMs kind key value` -> version */
function set(core: NodeCore, call: Call): void | Promise<void> {
  const ttlMs = numberArg(call, 7, ttlMsMax, "ttlMs");
  const kind = cellKindArg(call, 8);
  const mutation = mutationOf(core, call, 6, 9);
  const version = core.primary.set(mutation, kind, call.args[10]!, ttlMs);
  const reply = (made: Version): void => call.reply((writer) => writer.simple(formatVersion(made)));
  if (version instanceof Promise) return version.then(reply);
  reply(version);
}

/** `MF.CELL.DEL tag epoch session sequence floor condition key` -> 1 if there was something, else 0 */
async function del(core: NodeCore, call: Call): Promise<void> {
  const deleted = await core.primary.delete(mutationOf(core, call, 6, 7));
  call.reply((writer) => writer.integer(deleted ? 1 : 0));
}

/** `MF.CELL.ABORT tag epoch session sequence floor key ref` */
async function abort(core: NodeCore, call: Call): Promise<void> {
  const ref = decodeRef(Buffer.from(call.args[7]!));
  await core.primary.abort(mutationOf(core, call, undefined, 6), ref);
  call.reply((writer) => writer.simple("OK"));
}

/**
 * `MF.CELL.LIST tag epoch group after limit prefix`: keys of the groups served here, from `group` on
 * -> `[next group, after, [key, version, kind, size, ...]]`
 */
async function list(core: NodeCore, call: Call): Promise<void> {
  const job = jobOf(call);
  core.jobs.touch(job);
  let group = numberArg(call, 3, groupCount - 1, "group");
  let after = textArg(call, 4);
  const limit = Math.max(1, numberArg(call, 5, listKeysMax, "limit"));
  const prefix = textArg(call, 6);
  const found: { name: string; cell: Cell; size: number }[] = [];
  const pending: Promise<void>[] = [];
  checkEpoch(core, call, group as Group);
  while (group < groupCount && found.length < limit) {
    if (!core.rows.leads(group as Group)) {
      group += 1;
      after = "";
      continue;
    }
    const row = core.rows.asReader(group as Group);
    if (job <= row.lostJobs) throw lostKeys(group);
    const names = core.cells.names(job, group as Group, prefix, after);
    const taken = names.slice(0, limit - found.length);
    for (const name of taken) {
      const { cell, ready } = core.primary.read(job, Buffer.from(name, "latin1"));
      if (cell?.block !== undefined)
        found.push({ name, cell: cell.copy(), size: sizeOf(core, job, group as Group, name, cell) });
      if (ready !== undefined) pending.push(ready);
    }
    if (taken.length < names.length) {
      after = taken.at(-1)!;
      break;
    }
    group += 1;
    after = "";
  }
  await Promise.all(pending);
  call.reply((writer) => {
    writer.arrayHeader(3);
    writer.integer(group);
    writer.bulk(Buffer.from(after, "latin1"));
    writer.arrayHeader(found.length * 4);
    for (const { name, cell, size } of found) {
      writer.bulk(Buffer.from(name, "latin1"));
      writer.simple(formatVersion(cell.version));
      writer.simple(cell.kind === "durable" ? "bytes" : cell.kind);
      writer.integer(size);
    }
  });
}

/** A list is of what both sides take to be served here. @throws MayflyError MOVED */
function checkEpoch(core: NodeCore, call: Call, group: Group): void {
  const epoch = parseEpoch(textArg(call, 2));
  if (compareEpochs(epoch, core.view.epoch) === 0) return;
  const text = `${core.view.epochText} is the epoch here, not ${formatEpoch(epoch)}; group ${group} is listed by one map.`;
  throw new MayflyError("MOVED", text);
}

function lostKeys(group: number): MayflyError {
  return new MayflyError(
    "LOST",
    `Keys of group ${group} were lost with all the nodes that held them: nobody knows which there were.`,
  );
}

/** Of the value: the bytes of an object, of the elements of a collection. */
function sizeOf(core: NodeCore, job: JobNumber, group: Group, name: string, cell: Cell): number {
  if (cell.block === undefined) return 0;
  if (isCollection(cell.kind)) return core.cells.collection(job, group, name)?.bytes ?? 0;
  if (cell.kind === "durable") return durableBytes(cell.block.view());
  return cell.kind === "ref" ? decodeRef(cell.block.view()).sizeBytes : cell.block.length;
}

/** What a mutation says of itself; its sequence begins at argument 3. @throws MayflyError INVALID_ARGUMENT, JOB_ENDED */
export function mutationOf(
  core: NodeCore,
  call: Call,
  conditionAt: number | undefined,
  keyAt: number,
): Mutation {
  const job = jobOf(call);
  core.jobs.touch(job);
  const session = textArg(call, 3);
  if (session.length !== 8)
    throw new MayflyError("INVALID_ARGUMENT", `A session id has 8 bytes, not ${session.length}.`);
  const condition = conditionAt === undefined ? "" : textArg(call, conditionAt);
  if (condition !== "" && condition !== "absent") parseVersion(condition);
  const key = keyArg(call, keyAt);
  return {
    job,
    session,
    sequence: numberArg(call, 4, word, "session sequence"),
    floor: numberArg(call, 5, word, "session floor"),
    key,
    name: cellName(key),
    condition,
    epoch: textArg(call, 2),
  };
}

/** @throws MayflyError INVALID_ARGUMENT */
export function cellKindArg(call: Call, at: number): "bytes" | "ref" {
  const kind = textArg(call, at);
  if (kind === "bytes" || kind === "ref") return kind;
  const shown = JSON.stringify(kind.slice(0, 20));
  throw new MayflyError("INVALID_ARGUMENT", `A cell is of kind bytes or ref, not ${shown}.`);
}

/** A copy, which outlives the handler. */
function keyArg(call: Call, at: number): Buffer {
  return Buffer.from(checkedKey(call.args[at]!));
}

/** @throws MayflyError INVALID_ARGUMENT */
export function checkedKey(key: Buffer): Buffer {
  if (key.length >= 1 && key.length <= keyBytesMax) return key;
  throw new MayflyError(
    "INVALID_ARGUMENT",
    `A key has 1 to ${keyBytesMax} bytes; this one has ${key.length}.`,
  );
}
