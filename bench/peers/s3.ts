/** An S3 server through the AWS SDK, as its users would: one client, connections kept alive, otherwise defaults. */
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { type KvStore, type StoreTarget, targetText } from "./kv-store.ts";

/** More than any case has outstanding. */
const socketsMax = 64;

export async function openS3(target: StoreTarget): Promise<KvStore> {
  const client = s3Client(target);
  const Bucket = targetText(target, "bucket");
  return {
    put: (Key, Body) => client.send(new PutObjectCommand({ Bucket, Key, Body })),
    async get(Key) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
      if (Body === undefined) throw new Error(`the S3 server answered for ${Key} without a body`);
      return Body.transformToByteArray();
    },
    async close() {
      client.destroy();
    },
  };
}

/** Makes the bucket of the target; it must not be there. */
export async function createBucket(target: StoreTarget): Promise<void> {
  const client = s3Client(target);
  try {
    await client.send(new CreateBucketCommand({ Bucket: targetText(target, "bucket") }));
  } finally {
    client.destroy();
  }
}

/** The HTTP status of what the SDK throws; undefined for errors that no server sent. */
export function s3StatusOf(thrown: unknown): number | undefined {
  const metadata = (thrown as { readonly $metadata?: { readonly httpStatusCode?: number } } | undefined)
    ?.$metadata;
  return metadata?.httpStatusCode;
}

/** The client that all peers use. */
export function s3Client(target: StoreTarget): S3Client {
  return new S3Client({
    endpoint: targetText(target, "url"),
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: targetText(target, "access"), secretAccessKey: targetText(target, "secret") },
    requestHandler: { httpAgent: { keepAlive: true, maxSockets: socketsMax } },
  });
}
