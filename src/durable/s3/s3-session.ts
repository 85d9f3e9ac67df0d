/** What every operation on S3 needs. */
import type { Rng } from "../../clock.ts";
import type { StoreCalls } from "../store-calls.ts";
import type { S3Place } from "./place.ts";
import type { S3Connection } from "./s3-client.ts";
import type { S3Requests } from "./s3-requests.ts";

export interface S3Session extends S3Connection {
  readonly place: S3Place;
  readonly requests: S3Requests;
  readonly calls: StoreCalls;
  readonly rng: Rng;
}

/** Where the object of the name is, as requests say it. */
export function placeOf({ place }: S3Session, name: string): { Bucket: string; Key: string } {
  return { Bucket: place.bucket, Key: place.prefix + name };
}
