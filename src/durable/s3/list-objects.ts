import { checkPrefix } from "../object-name.ts";
import type { StoredObject, StoreList } from "../object-store.ts";
import type { OpenCall } from "../store-calls.ts";
import type { S3Session } from "./s3-session.ts";
import { storedObject } from "./stat-object.ts";

interface Page {
  readonly objects: readonly StoredObject[];
  readonly next: string | undefined;
}

/** A page of 1,000 at a time; the deadline is that of each page. */
export async function* listObjects(
  session: S3Session,
  prefix: string,
  options: StoreList,
): AsyncGenerator<StoredObject, void, undefined> {
  checkPrefix(prefix);
  const call = session.calls.open(`list ${prefix}*`, options);
  try {
    let token: string | undefined;
    do {
      call.renew();
      const page = await listPage(session, call, prefix, token ?? { after: options.after ?? "" });
      call.pause();
      yield* page.objects;
      token = page.next;
    } while (token !== undefined);
  } finally {
    call.end();
  }
}

function listPage(
  { sdk, client, requests, place }: S3Session,
  call: OpenCall,
  prefix: string,
  from: string | { readonly after: string },
): Promise<Page> {
  return requests.run(call, { counted: "lists" }, async ({ watch }) => {
    const command = new sdk.ListObjectsV2Command({
      ...{ Bucket: place.bucket, Prefix: place.prefix + prefix },
      ...(typeof from === "string" && { ContinuationToken: from }),
      ...(typeof from !== "string" && from.after !== "" && { StartAfter: place.prefix + from.after }),
    });
    const answer = await client.send(command, { abortSignal: watch.signal });
    watch.answered();
    const objects = (answer.Contents ?? [])
      .map(({ Key = "", Size, LastModified }) =>
        storedObject(Key.slice(place.prefix.length), Size, LastModified),
      )
      // The bucket may hold marks of folders that other programs have made.
      .filter(({ name }) => name !== "" && !name.endsWith("/"));
    if (answer.IsTruncated === true && answer.NextContinuationToken === undefined) {
      throw new Error("the answer says that there is more, and not from where on");
    }
    return { objects, next: answer.IsTruncated === true ? answer.NextContinuationToken : undefined };
  });
}
