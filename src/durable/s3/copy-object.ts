import type { StorePut } from "../object-store.ts";
import type { OpenCall } from "../store-calls.ts";
import { existsError, longStallMs } from "./multipart.ts";
import { placeOf, type S3Session } from "./s3-session.ts";
import { statObject } from "./stat-object.ts";
import { newWriteId, orOwnWrite, writeIdMetadata } from "./write-id.ts";

/** In the server. Not all servers know a copy with a condition: it is asked for before, too. */
export async function copyObject(
  session: S3Session,
  call: OpenCall,
  from: string,
  to: string,
  { ifAbsent = false }: StorePut,
): Promise<void> {
  const { sdk, client, requests, place } = session;
  if (ifAbsent && (await statObject(session, call, to)) !== undefined) throw existsError(call);
  const id = newWriteId(session);
  const source = [place.bucket, ...(place.prefix + from).split("/")].map(encodeURIComponent).join("/");
  await requests.run(
    call,
    { counted: "puts", stallMs: longStallMs },
    async ({ watch }) => {
      const command = new sdk.CopyObjectCommand({
        ...{ ...placeOf(session, to), CopySource: source },
        // Metadata of the target: an object cannot be copied to itself otherwise, and the id tells whose copy it is.
        ...{ MetadataDirective: "REPLACE", Metadata: writeIdMetadata(id) },
        ...(ifAbsent && { IfNoneMatch: "*" }),
      });
      await client.send(command, { abortSignal: watch.signal });
      watch.answered();
    },
    ifAbsent ? orOwnWrite(session, call, to, id, ["condition"], () => existsError(call)) : undefined,
  );
}
