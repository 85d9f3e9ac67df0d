/** Where objects lie now: what their home keys say, asked for many at once. */
import { MayflyError } from "../../src/errors.ts";
import type { ObjectId } from "../../src/ids.ts";
import type { Ref } from "../../src/wire/ref.ts";
import type { ClientContext } from "../context.ts";
import type { Deadline } from "../transport/deadline.ts";
import { together } from "../transport/together.ts";
import { whereIsIt } from "./read-object.ts";

const asksInFlight = 64;
const movedMax = 4096;

/** Objects that were found in the object store though their refs named nodes: whoever reads many ranges of one asks once. */
const movedBy = new WeakMap<ClientContext, Map<ObjectId, Ref>>();

/** The ref that is known to be newer than this one, or this one. */
export function newestRef(context: ClientContext, ref: Ref): Ref {
  return movedBy.get(context)?.get(ref.object) ?? ref;
}

/** What was known of the object is not so any more. */
export function forgetRef(context: ClientContext, ref: Ref): void {
  movedBy.get(context)?.delete(ref.object);
}

/**
 * The newest refs of these objects, by object; those that were freed, or lost with their keys, are missing.
 * @throws MayflyError UNAVAILABLE, DEADLINE_EXCEEDED, ABORTED, JOB_ENDED
 */
export async function findRefs(
  context: ClientContext,
  refs: Iterable<Ref>,
  deadline: Deadline,
): Promise<ReadonlyMap<ObjectId, Ref>> {
  const asked = [...new Map([...refs].map((ref) => [ref.object, ref])).values()];
  const found = new Map<ObjectId, Ref>();
  let next = 0;
  const worker = async (part: Deadline): Promise<void> => {
    for (let ref = asked[next++]; ref !== undefined; ref = asked[next++]) {
      try {
        const newest = await whereIsIt(context, ref, part);
        found.set(ref.object, newest);
        note(context, newest);
      } catch (thrown) {
        const { code } = MayflyError.from(thrown);
        if (!["FREED", "LOST", "EXPIRED"].includes(code)) throw thrown;
      }
    }
  };
  const workers = Math.min(asked.length, asksInFlight);
  await together(deadline, (part) => Array.from({ length: workers }, () => worker(part)));
  return found;
}

function note(context: ClientContext, ref: Ref): void {
  const moved = movedBy.get(context) ?? new Map<ObjectId, Ref>();
  movedBy.set(context, moved);
  moved.delete(ref.object);
  // Refs that name nodes may be long, and whoever holds one finds that it is old.
  if (ref.stripes !== undefined || ref.stored === undefined) return;
  moved.set(ref.object, ref);
  const [oldest] = moved.keys();
  if (moved.size > movedMax && oldest !== undefined) moved.delete(oldest);
}
