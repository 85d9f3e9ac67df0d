/** MF.CELL.STORE, MF.CELL.PERSIST, MF.STORE.LIST: what must last goes to the object store, and what lies there is listed. */
import { startDeadline, timeoutMsMax } from "../../client/transport/deadline.ts";
import { MayflyError } from "../../src/errors.ts";
import { isImportable } from "../../src/wire/durable-name.ts";
import { storedNameBytesMax } from "../../src/wire/ref.ts";
import { formatVersion } from "../../src/wire/version.ts";
import type { NodeCore } from "../node-core.ts";
import { type Call, type Command, jobOf, numberArg } from "../server/call.ts";
import { cellKindArg, checkedKey, mutationOf, ttlMsMax } from "./cell-commands.ts";

const listNamesMax = 1000;
/** Room for a scheme, a host and a prefix before the name. */
const listFromBytesMax: number = 2 * storedNameBytesMax;

export function durableCommands(core: NodeCore): readonly Command[] {
  const common = { scope: "job", tagged: true } as const;
  return [
    { ...common, name: "MF.CELL.STORE", args: { min: 12, max: 12 }, handle: (call) => store(core, call) },
    { ...common, name: "MF.CELL.PERSIST", args: { min: 5, max: 5 }, handle: (call) => persist(core, call) },
    { ...common, name: "MF.STORE.LIST", args: { min: 6, max: 6 }, handle: (call) => list(core, call) },
  ];
}

/** `MF.CELL.STORE tag epoch session sequence floor condition ttlMs kind key value timeoutMs` -> `[version, name or ""]` */
async function store(core: NodeCore, call: Call): Promise<void> {
  const ttlMs = numberArg(call, 7, ttlMsMax, "ttlMs");
  const kind = cellKindArg(call, 8);
  const value = Buffer.from(call.args[10]!);
  const timeoutMs = timeoutArg(call, 11);
  const mutation = mutationOf(core, call, 6, 9);
  const { version, name = "" } = await core.durable.put({ mutation, kind, value, ttlMs, timeoutMs });
  call.reply((writer) => {
    writer.arrayHeader(2);
    writer.simple(formatVersion(version));
    writer.bulk(Buffer.from(name));
  });
}

/** `MF.CELL.PERSIST tag epoch timeoutMs key` -> `[made, there, other or gone; bytes; name or ""]` */
async function persist(core: NodeCore, call: Call): Promise<void> {
  const job = jobOf(call);
  const timeoutMs = timeoutArg(call, 3);
  const key = Buffer.from(checkedKey(call.args[4]!));
  core.jobs.touch(job);
  const { state, bytes, name = "" } = await core.durable.persist(job, key, timeoutMs);
  call.reply((writer) => {
    writer.arrayHeader(3);
    writer.simple(state);
    writer.integer(bytes);
    writer.bulk(Buffer.from(name));
  });
}

/**
 * `MF.STORE.LIST tag from after limit timeoutMs`: of the objects in the store whose names begin with `from`, and come after `after`,
 * those that the job may import -> `[name of from, 1 if there are more, [name, size, ...]]`
 */
async function list(core: NodeCore, call: Call): Promise<void> {
  const job = jobOf(call);
  const from = utf8Arg(call, 2);
  const after = utf8Arg(call, 3);
  const limit = Math.max(1, numberArg(call, 4, listNamesMax, "limit"));
  const timeoutMs = timeoutArg(call, 5);
  core.jobs.touch(job);
  const store = await core.durable.openStore();
  const prefix = nameBelow(from, store.url);
  const found: { readonly name: string; readonly sizeBytes: number }[] = [];
  let isMore = false;
  let last = after;
  const deadline = startDeadline(core.clock, timeoutMs, undefined, "listing the object store");
  for await (const { name, sizeBytes } of store.list(prefix, { after, timeoutMs })) {
    if (after !== "" && Buffer.compare(Buffer.from(name), Buffer.from(after)) <= 0) continue;
    isMore = found.length === limit || core.clock.now() >= deadline.atMs;
    if (isMore) break;
    last = name;
    if (isImportable(name, core.durable.fleet, job)) found.push({ name, sizeBytes });
  }
  call.reply((writer) => {
    writer.arrayHeader(3);
    writer.bulk(Buffer.from(prefix));
    writer.bulk(Buffer.from(isMore ? last : ""));
    writer.arrayHeader(found.length * 2);
    for (const { name, sizeBytes } of found) {
      writer.bulk(Buffer.from(name));
      writer.integer(sizeBytes);
    }
  });
}

/** The name below the fleet's store, of a URL or of such a name. @throws MayflyError FORBIDDEN */
export function nameBelow(from: string, storeUrl: string): string {
  if (!/^[a-z0-9]+:\/\//.test(from)) return from;
  const whole = storeUrl.replace(/[?#].*$/, "");
  const base = whole.endsWith("/") ? whole : `${whole}/`;
  if (from.startsWith(base)) return from.slice(base.length);
  throw new MayflyError(
    "FORBIDDEN",
    `${JSON.stringify(from.slice(0, 200))} does not lie below ${base}, the store of this fleet: nodes read nothing else. Copy it there, or read it yourself.`,
  );
}

function timeoutArg(call: Call, at: number): number {
  return Math.max(1, numberArg(call, at, timeoutMsMax, "timeoutMs"));
}

function utf8Arg(call: Call, at: number): string {
  const bytes = call.args[at]!;
  if (bytes.length <= listFromBytesMax) return bytes.toString("utf8");
  const message = `A name in the store has up to ${storedNameBytesMax} bytes, not ${bytes.length}.`;
  throw new MayflyError("INVALID_ARGUMENT", message);
}
