import type { OpenCall } from "../store-calls.ts";
import { placeOf, type S3Session } from "./s3-session.ts";

/** S3 takes no more in a request. */
const batchMax = 1000;
/** Of those one by one: the limiter has the last word. */
const atATime = 16;

/** In batches; one by one on a server that does not know batches. */
export async function deleteObjects(
  session: S3Session,
  call: OpenCall,
  names: readonly string[],
): Promise<void> {
  for (let at = 0; at < names.length; at += batchMax) {
    const batch = names.slice(at, at + batchMax);
    if (batch.length === 1) await deleteOne(session, call, batch[0]!);
    else if (!(await deleteBatch(session, call, batch))) await deleteEach(session, call, batch);
  }
}

/** False when the server does not know how. */
async function deleteBatch(session: S3Session, call: OpenCall, names: readonly string[]): Promise<boolean> {
  const { sdk, client, requests, place } = session;
  let left = names;
  return requests.run<boolean>(
    call,
    { counted: "deletes" },
    async ({ watch }) => {
      const command = new sdk.DeleteObjectsCommand({
        Bucket: place.bucket,
        Delete: { Quiet: true, Objects: left.map((name) => ({ Key: place.prefix + name })) },
      });
      const { Errors = [] } = await client.send(command, { abortSignal: watch.signal });
      watch.answered();
      const failed = Errors.filter(({ Code }) => Code !== "NoSuchKey");
      if (failed.length === 0) return true;
      // Each has an error of its own: the last of them decides, as that of a request, whether to go on.
      left = failed.map(({ Key = "" }) => Key.slice(place.prefix.length));
      const { Code = "InternalError", Message = "", Key = "" } = failed.at(-1)!;
      const status = /^(?:AccessDenied|AllAccessDisabled)/.test(Code) ? 403 : undefined;
      throw Object.assign(new Error(`${Key}: ${Message}`), {
        name: Code,
        ...(status !== undefined && { $metadata: { httpStatusCode: status } }),
      });
    },
    ({ kind }) => (kind === "unknown-request" ? Promise.resolve(false) : undefined),
  );
}

async function deleteEach(session: S3Session, call: OpenCall, names: readonly string[]): Promise<void> {
  const left = [...names];
  const work = async (): Promise<void> => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) await deleteOne(session, call, name);
  };
  await Promise.all(Array.from({ length: Math.min(atATime, left.length) }, work));
}

async function deleteOne(session: S3Session, call: OpenCall, name: string): Promise<void> {
  const { sdk, client, requests } = session;
  await requests.run<void>(
    call,
    { counted: "deletes" },
    async ({ watch }) => {
      const command = new sdk.DeleteObjectCommand(placeOf(session, name));
      await client.send(command, { abortSignal: watch.signal });
      watch.answered();
    },
    ({ kind }) => (kind === "absent" ? Promise.resolve() : undefined),
  );
}
