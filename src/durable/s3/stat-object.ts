import type { StoredObject } from "../object-store.ts";
import type { OpenCall } from "../store-calls.ts";
import { placeOf, type S3Session } from "./s3-session.ts";

/** Undefined when there is no such object; HEAD does not tell whether there is the bucket. */
export async function statObject(
  session: S3Session,
  call: OpenCall,
  name: string,
): Promise<StoredObject | undefined> {
  const { sdk, client, requests } = session;
  return requests.run<StoredObject | undefined>(
    call,
    { counted: "heads" },
    async ({ watch }) => {
      const command = new sdk.HeadObjectCommand(placeOf(session, name));
      const answer = await client.send(command, { abortSignal: watch.signal });
      watch.answered();
      return storedObject(name, answer.ContentLength, answer.LastModified);
    },
    ({ kind }) => (kind === "absent" ? Promise.resolve(undefined) : undefined),
  );
}

/** @throws Error, which counts as a failure that passes, when the answer lacks one */
export function storedObject(
  name: string,
  sizeBytes: number | undefined,
  modified: Date | undefined,
): StoredObject {
  const modifiedAtMs = modified?.getTime();
  if (sizeBytes === undefined || modifiedAtMs === undefined || Number.isNaN(modifiedAtMs)) {
    throw new Error(`the answer about ${name} lacks its size or its time`);
  }
  return { name, sizeBytes, modifiedAtMs };
}
