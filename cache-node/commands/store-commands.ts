/** MF.STORE.GET: what lies in the object store, for functions that have no access of their own. */
import { MayflyError } from "../../src/errors.ts";
import { isImportable } from "../../src/wire/durable-name.ts";
import { belongsTo } from "../../src/wire/stored-names.ts";
import type { StoredRange } from "../../src/wire/stored-spans.ts";
import type { NodeCore } from "../node-core.ts";
import { type Call, type Command, jobOf, numberArg } from "../server/call.ts";

const rangesMax = 256;
/** As much as clients ask for at once, see stored-spans.ts. */
const replyBytesMax = 4 * 1024 * 1024;
const timeoutMsMax = 15 * 60_000;

export function storeCommands(core: NodeCore): readonly Command[] {
  return [
    {
      ...{ name: "MF.STORE.GET", scope: "job", tagged: true, args: { min: 7 } },
      handle: (call) => get(core, call),
    },
  ];
}

/** `MF.STORE.GET tag timeoutMs fresh (name offset length)+` -> for each its bytes, or null when there is nothing of the name */
async function get(core: NodeCore, call: Call): Promise<void> {
  const job = jobOf(call);
  core.jobs.touch(job);
  const timeoutMs = numberArg(call, 2, timeoutMsMax, "time in milliseconds");
  const fresh = numberArg(call, 3, 1, "fresh") === 1;
  const ranges = rangesOf(call, 4);
  const fleet = core.fleetId();
  const isOpen = (name: string): boolean =>
    fleet !== undefined && (belongsTo(name, fleet, job) || isImportable(name, fleet, job));
  const foreign = ranges.find(({ name }) => !isOpen(name));
  if (foreign !== undefined) {
    const shown = JSON.stringify(foreign.name.slice(0, 100));
    throw new MayflyError("FORBIDDEN", `${shown} in the object store is not of job ${job}.`);
  }
  const found = await core.stored.read({ job, ranges, timeoutMs, fresh });
  // It may have ended meanwhile, and then nothing of it is read again.
  core.jobs.touch(job);
  call.reply((writer) => {
    writer.arrayHeader(found.length);
    for (const pieces of found) {
      if (pieces === undefined) writer.null();
      else writer.bulkOf(pieces);
    }
  });
}

/** @throws MayflyError INVALID_ARGUMENT, TOO_LARGE */
function rangesOf(call: Call, at: number): StoredRange[] {
  const count = (call.args.length - at) / 3;
  if (!Number.isInteger(count) || count > rangesMax) {
    throw new MayflyError(
      "INVALID_ARGUMENT",
      `MF.STORE.GET takes up to ${rangesMax} ranges of 3 arguments each.`,
    );
  }
  const ranges = Array.from({ length: count }, (_, index): StoredRange => {
    const first = at + index * 3;
    const offset = numberArg(call, first + 1, Number.MAX_SAFE_INTEGER - replyBytesMax, "offset");
    const length = numberArg(call, first + 2, Number.MAX_SAFE_INTEGER, "length");
    return { name: call.args[first]!.toString("utf8"), offset, length };
  });
  const bytes = ranges.reduce((sum, { length }) => sum + length, 0);
  if (bytes <= replyBytesMax) return ranges;
  throw new MayflyError(
    "TOO_LARGE",
    `One request returns up to ${replyBytesMax} bytes of the object store, not ${bytes}; ask for fewer.`,
  );
}
