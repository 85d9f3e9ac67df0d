/** `mayfly rm`: deletes keys. */
import type { Job } from "../../client/job.ts";
import { MayflyError } from "../errors.ts";
import { ticketOption, withJob } from "./fleet-access.ts";
import { flag, option, parseText } from "./option.ts";
import { UsageError } from "./usage-error.ts";
import { defineVerb } from "./verb.ts";

/** Deletions under way at a time. */
const parallel = 32;

export const rmVerb = defineVerb({
  name: "rm",
  summary: "delete keys",
  usage: "[KEY...]",
  options: {
    ticket: ticketOption,
    prefix: option({ value: "PREFIX", help: "all keys that begin with it", parse: parsePrefix }),
    force: flag("keys that hold nothing are no error", "f"),
  },
  examples: ["mayfly rm greeting", "mayfly rm frames/7 frames/8", "mayfly rm --prefix frames/"],
  async run({ options, positionals, json, print, note }) {
    const { ticket, prefix, force } = options;
    if (positionals.length === 0 && prefix === undefined) {
      throw new UsageError("nothing to delete; name keys, or --prefix PREFIX");
    }
    const { deleted, missing } = await withJob(ticket, async (job) => {
      const named = await deleteAll(job, positionals);
      const listed = prefix === undefined ? named : await deleteAll(job, await keysOf(job, prefix));
      // A listed key that has gone meanwhile is what was asked for.
      return { deleted: named.deleted + (listed === named ? 0 : listed.deleted), missing: named.missing };
    });
    if (missing.length > 0 && !force) throw nothingThere(missing, deleted);
    if (json) print(JSON.stringify({ deleted }));
    else note(`${deleted} key${deleted === 1 ? "" : "s"} deleted`);
  },
});

/** An empty variable in a script must not delete everything. */
function parsePrefix(text: string, what: string): string {
  if (text !== "") return parseText(text, what);
  throw new UsageError(`${what} is empty, which means all keys; to free all of a job: mayfly job end JOB`);
}

async function keysOf(job: Job, prefix: string): Promise<Uint8Array[]> {
  const keys: Uint8Array[] = [];
  for await (const { keyBytes } of job.list(prefix)) keys.push(keyBytes);
  return keys;
}

async function deleteAll<Key extends string | Uint8Array>(
  job: Job,
  keys: readonly Key[],
): Promise<{ deleted: number; missing: Key[] }> {
  let deleted = 0;
  const missing: Key[] = [];
  for (let at = 0; at < keys.length; at += parallel) {
    const some = keys.slice(at, at + parallel);
    const were = await Promise.all(some.map((key) => deleteOne(job, key)));
    deleted += were.filter(Boolean).length;
    missing.push(...some.filter((_, i) => !were[i]));
  }
  return { deleted, missing };
}

async function deleteOne(job: Job, key: string | Uint8Array): Promise<boolean> {
  try {
    return await job.delete(key);
  } catch (thrown) {
    const error = MayflyError.from(thrown);
    if (error.code === "NOT_FOUND" || error.code === "EXPIRED") return false;
    throw error;
  }
}

function nothingThere(missing: readonly string[], deleted: number): MayflyError {
  const shown = missing.slice(0, 3).map((key) => JSON.stringify(key));
  const more = missing.length > shown.length ? ` and ${missing.length - shown.length} others` : "";
  const rest = deleted > 0 ? ` (${deleted} others were deleted)` : "";
  return new MayflyError(
    "NOT_FOUND",
    `there is nothing at ${shown.join(", ")}${more}${rest}; see: mayfly ls`,
  );
}
