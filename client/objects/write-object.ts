/**
 * Writing an object: stripes in flight at once, then one commit through the key's primary. A reader sees all of it or
 * nothing; what was sent for an object that is not committed is freed by the primary.
 */
import type { Ref } from "../../src/wire/ref.ts";
import type { ClientContext } from "../context.ts";
import { type Deadline, within } from "../transport/deadline.ts";
import { type ObjectCommit, ObjectWriter } from "./object-writer.ts";

export interface ObjectWrite extends ObjectCommit {
  readonly key: Uint8Array;
  /** The bytes in pieces of exactly one stripe each, but for the last. */
  readonly stripes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

const stripesInFlight = 4;

export async function writeObject(
  context: ClientContext,
  write: ObjectWrite,
  deadline: Deadline,
): Promise<Ref> {
  const writer = new ObjectWriter(context, write.key);
  try {
    await sendStripes(writer, write.stripes, deadline);
    return await writer.commit(write, deadline);
  } catch (error) {
    // Who has time left can count on the memory being free again; nobody is kept beyond that.
    await within(deadline, writer.abort()).catch(() => undefined);
    throw error;
  }
}

async function sendStripes(
  writer: ObjectWriter,
  stripes: ObjectWrite["stripes"],
  deadline: Deadline,
): Promise<void> {
  const inFlight = new Set<Promise<void>>();
  let failure: unknown;
  try {
    for await (const bytes of stripes) {
      const sending = writer
        .send(bytes, deadline)
        .catch((error: unknown) => {
          failure ??= error;
        })
        .finally(() => inFlight.delete(sending));
      inFlight.add(sending);
      if (inFlight.size >= stripesInFlight) await Promise.race(inFlight);
      if (failure !== undefined) break;
    }
  } finally {
    // Also when the source fails: what is on its way must have arrived before it can be freed.
    await Promise.all(inFlight);
  }
  if (failure !== undefined) throw failure;
}
