/** An object whose bytes are all in memory. */
import { bytesOf } from "../object-name.ts";
import type { StorePut } from "../object-store.ts";
import type { OpenCall } from "../store-calls.ts";
import { checksumOf } from "./body-checksum.ts";
import { existsError, unsignedBody } from "./multipart.ts";
import { requestBody } from "./request-body.ts";
import { withHeaders } from "./s3-client.ts";
import { placeOf, type S3Session } from "./s3-session.ts";
import { newWriteId, orOwnWrite, writeIdMetadata } from "./write-id.ts";

/** Above that it is uploaded in parts: a repetition is of one of them then and not of all. */
export const singlePutBytesMax: number = 64 * 2 ** 20;

export async function putPieces(
  session: S3Session,
  call: OpenCall,
  name: string,
  pieces: readonly Uint8Array[],
  { ifAbsent = false }: StorePut,
): Promise<void> {
  const { sdk, client, requests } = session;
  const bytes = bytesOf(pieces);
  const checksum = checksumOf(pieces);
  const id = ifAbsent ? newWriteId(session) : undefined;
  await requests.run(
    call,
    { counted: "puts", bytes },
    async ({ watch }) => {
      const command = new sdk.PutObjectCommand({
        ...placeOf(session, name),
        Body: requestBody(pieces, watch, (sent) => {
          requests.counts.bytesWritten += sent;
        }),
        ContentLength: bytes,
        ChecksumCRC32: checksum,
        ...(id !== undefined && { IfNoneMatch: "*", Metadata: writeIdMetadata(id) }),
      });
      await client.send(withHeaders(command, unsignedBody), { abortSignal: watch.signal });
      watch.answered();
    },
    id === undefined
      ? undefined
      : orOwnWrite(session, call, name, id, ["condition"], () => existsError(call)),
  );
}
