/**
 * GET and SET as Redis has them, for small values: what any Redis client sends. Keys of other nodes are answered with
 * Redis Cluster's redirection.
 */
import { MayflyError } from "../../src/errors.ts";
import type { Group, JobNumber } from "../../src/ids.ts";
import { groupOfSlot, slotOf } from "../../src/placement/groups.ts";
import { noSession } from "../../src/wire/cell.ts";
import { plainBytes } from "../../src/wire/durable-value.ts";
import { keyBytesMax } from "../../src/wire/ref.ts";
import { referenceBytesMinDefault } from "../../src/wire/request-writer.ts";
import { inlineBytesMax } from "../../src/wire/stripe-layout.ts";
import type { Mutation } from "../cells/mutation-log.ts";
import { wrongType } from "../cells/plan-update.ts";
import type { NodeCore } from "../node-core.ts";
import { type Call, type Command, jobOf } from "../server/call.ts";
import { type Cell, cellName } from "../store/cell.ts";
import { isCollection } from "../store/group-cells.ts";

export function stringCommands(core: NodeCore): readonly Command[] {
  const common = { scope: "job", tagged: false } as const;
  return [
    { ...common, name: "GET", args: { min: 2, max: 2 }, handle: (call) => get(core, call) },
    { ...common, name: "SET", args: { min: 3 }, handle: (call) => set(core, call) },
  ];
}

/** `GET key` -> the value, or null */
function get(core: NodeCore, call: Call): void | Promise<void> {
  const job = jobOf(call);
  const key = keyOf(call);
  const slot = slotOf(key);
  const group = groupOfSlot(slot);
  core.jobs.touch(job);
  if (redirected(core, call, slot, group)) return;
  const { cell, ready } = core.primary.read(job, key, group);
  if (ready === undefined) return replyValue(call, cell);
  cell?.block?.pin();
  return ready
    .then(
      () => replyValue(call, cell),
      (thrown) => redirectIfMoved(core, call, slot, group, thrown),
    )
    .finally(() => cell?.block?.unpin());
}

/** `SET key value` -> OK */
function set(core: NodeCore, call: Call): void | Promise<void> {
  const job = jobOf(call);
  const key = keyOf(call);
  if (call.args.length > 3)
    throw new MayflyError("INVALID_ARGUMENT", "SET takes a key and a value, and no options.");
  const value = call.args[2]!;
  if (value.length > inlineBytesMax) {
    throw new MayflyError(
      "TOO_LARGE",
      `SET takes values of up to ${inlineBytesMax} bytes, not ${value.length}; larger ones go through the SDK.`,
    );
  }
  const slot = slotOf(key);
  const group = groupOfSlot(slot);
  core.jobs.touch(job);
  if (redirected(core, call, slot, group)) return;
  const version = core.primary.set(mutationOf(job, key), "bytes", value, 0, group);
  if (version instanceof Promise) {
    return version.then(
      () => replyOk(call),
      (thrown) => redirectIfMoved(core, call, slot, group, thrown),
    );
  }
  replyOk(call);
}

function replyOk(call: Call): void {
  call.reply((writer) => writer.ok());
}

function replyValue(call: Call, cell: Cell | undefined): void {
  const block = cell?.block;
  if (cell?.kind === "ref") {
    throw new MayflyError(
      "WRONG_TYPE",
      `This key holds an object of more than ${inlineBytesMax} bytes; read it with the SDK.`,
    );
  }
  if (cell !== undefined && isCollection(cell.kind)) throw wrongType(cell, "GET is for values");
  call.reply((writer) => {
    if (block === undefined) {
      writer.null();
      return;
    }
    writer.bulk(cell?.kind === "durable" ? plainBytes(block.view()) : block.view());
    if (block.length >= referenceBytesMinDefault) call.connection.pinUntilSent(block);
  });
}

/** Plain clients have no sessions: what they repeat takes effect again, as with Redis. */
function mutationOf(job: JobNumber, key: Buffer): Mutation {
  return {
    job,
    session: noSession,
    sequence: 0,
    floor: 0,
    key,
    name: cellName(key),
    condition: "",
    epoch: undefined,
  };
}

/** While a command waited this node stopped being the primary. */
function redirectIfMoved(core: NodeCore, call: Call, slot: number, group: Group, thrown: unknown): void {
  if (MayflyError.from(thrown).code !== "MOVED" || core.rows.leads(group)) throw thrown;
  redirect(core, call, slot, group);
}

/** True when another node serves the key: then the client has been told which. */
function redirected(core: NodeCore, call: Call, slot: number, group: Group): boolean {
  if (core.rows.leads(group)) return false;
  redirect(core, call, slot, group);
  return true;
}

function redirect(core: NodeCore, call: Call, slot: number, group: Group): void {
  const primary = core.rows.row(group)?.nodes[0];
  const entry = primary === undefined ? undefined : core.view.node(primary);
  if (entry === undefined || entry.state === "dead") {
    throw new MayflyError("UNAVAILABLE", `The primary of this key (group ${group}) is away.`);
  }
  call.reply((writer) => writer.error(`MOVED ${slot} ${entry.host}:${entry.port}`));
}

function keyOf(call: Call): Buffer {
  const key = call.args[1]!;
  if (key.length >= 1 && key.length <= keyBytesMax) return key;
  throw new MayflyError(
    "INVALID_ARGUMENT",
    `A key has 1 to ${keyBytesMax} bytes; this one has ${key.length}.`,
  );
}
