/**
 * Who wrote an object: an id in its metadata. A conditional write whose answer got lost is repeated, and finds an object of the
 * name; by the id it knows its own.
 */

import type { OpenCall } from "../store-calls.ts";
import { type Attempt, type Recover, stallMsDefault } from "./s3-requests.ts";
import { placeOf, type S3Session } from "./s3-session.ts";

const metadataKey = "mayfly-write";

export function newWriteId({ rng }: S3Session): string {
  return Buffer.from(rng.bytes(16)).toString("hex");
}

export function writeIdMetadata(id: string): Record<string, string> {
  return { [metadataKey]: id };
}

/** Whether the object of the name is the one that was written with the id. */
export async function isWrittenBy(
  session: S3Session,
  call: OpenCall,
  name: string,
  id: string,
): Promise<boolean> {
  const { sdk, client, requests } = session;
  const send = async ({ watch }: Attempt): Promise<boolean> => {
    const command = new sdk.HeadObjectCommand(placeOf(session, name));
    const { Metadata } = await client.send(command, { abortSignal: watch.signal });
    watch.answered();
    return Metadata?.[metadataKey] === id;
  };
  const options = { counted: "heads", stallMs: stallMsDefault } as const;
  return requests.run(call, options, send, ({ kind }) =>
    kind === "absent" ? Promise.resolve(false) : undefined,
  );
}

/** Success, when what stands in the way of a write is the write itself; else `otherwise`. */
export function orOwnWrite(
  session: S3Session,
  call: OpenCall,
  name: string,
  id: string,
  kinds: readonly string[],
  otherwise: (kind: string) => Error,
): Recover<void> {
  return ({ kind }, mayHaveHappened) => {
    if (!mayHaveHappened || !kinds.includes(kind)) return undefined;
    return isWrittenBy(session, call, name, id).then((isOwn) => {
      if (!isOwn) throw otherwise(kind);
    });
  };
}
