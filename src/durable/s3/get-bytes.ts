/** An object, or a range of it, into one buffer. */
import type { Readable } from "node:stream";
import type { GetObjectCommandOutput } from "@aws-sdk/client-s3";
import { MayflyError } from "../../errors.ts";
import { doesNotFit } from "../object-name.ts";
import type { StoreGet } from "../object-store.ts";
import type { OpenCall } from "../store-calls.ts";
import { runningChecksum, wholeChecksum } from "./body-checksum.ts";
import { withHeaders } from "./s3-client.ts";
import { DamagedBody } from "./s3-errors.ts";
import type { Attempt } from "./s3-requests.ts";
import { placeOf, type S3Session } from "./s3-session.ts";
import type { StallWatch } from "./stall-watch.ts";
import { statObject } from "./stat-object.ts";

/** One buffer cannot hold more; larger objects are read in pieces. */
const getBytesMax = 4 * 2 ** 30;

export async function getBytes(
  session: S3Session,
  call: OpenCall,
  name: string,
  { range, into }: StoreGet,
): Promise<Uint8Array> {
  const nothing = into === undefined ? new Uint8Array(0) : into.subarray(0, 0);
  if (range !== undefined && range.start === range.end) {
    // HTTP has no empty ranges.
    if ((await statObject(session, call, name)) === undefined) throw notFound(call);
    return nothing;
  }
  const { requests } = session;
  const options = { counted: "gets", bytes: expectedBytes(range, into) } as const;
  return requests.run(
    call,
    options,
    async ({ watch }) => {
      const { body, bytes, checksum } = await openBody(session, name, range, undefined, watch);
      if (bytes > (into?.byteLength ?? getBytesMax)) {
        if (into !== undefined) throw doesNotFit(name, bytes, into);
        throw new MayflyError(
          "TOO_LARGE",
          `${call.what}: ${bytes} bytes are too many for one buffer; use read().`,
        );
      }
      const target = into?.subarray(0, bytes) ?? new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);
      await fill(session, target, body, watch);
      if (checksum !== undefined) verify(target, checksum);
      return target;
    },
    ({ kind }) => (kind === "range" ? Promise.resolve(nothing) : undefined),
  );
}

function expectedBytes(range: StoreGet["range"], into: Uint8Array | undefined): number {
  const asked = range === undefined ? Number.POSITIVE_INFINITY : range.end - range.start;
  const bytes = Math.min(asked, into?.byteLength ?? Number.POSITIVE_INFINITY);
  return Number.isFinite(bytes) ? bytes : 0;
}

async function fill(
  { requests }: S3Session,
  target: Uint8Array,
  body: Readable,
  watch: StallWatch,
): Promise<void> {
  let at = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    // An attempt that was given up must not write to a buffer that has been given back.
    if (watch.signal.aborted) throw watch.signal.reason;
    watch.touch();
    requests.counts.bytesRead += chunk.byteLength;
    if (at + chunk.byteLength > target.byteLength)
      throw new DamagedBody("more bytes came than were announced");
    target.set(chunk, at);
    at += chunk.byteLength;
  }
  if (at < target.byteLength) throw new DamagedBody(`${at} bytes came of ${target.byteLength}`);
}

function verify(bytes: Uint8Array, expected: string): void {
  const checksum = runningChecksum();
  checksum.add(bytes);
  checkSum(checksum.value(), expected);
}

export function checkSum(found: string, expected: string): void {
  if (found !== expected)
    throw new DamagedBody(`the bytes that came have CRC-32 ${found}, and not ${expected}`);
}

export function notFound({ what }: Pick<OpenCall, "what">): MayflyError {
  return new MayflyError("NOT_FOUND", `${what}: there is no such object.`);
}

export interface OpenBody {
  readonly body: Readable;
  /** How many will come. */
  readonly bytes: number;
  /** Of the whole object, when all of it was asked for and the store knows it. */
  readonly checksum: string | undefined;
  readonly etag: string | undefined;
}

/** @param etag of the object that it must still be */
export async function openBody(
  session: S3Session,
  name: string,
  range: StoreGet["range"],
  etag: string | undefined,
  watch: Attempt["watch"],
): Promise<OpenBody> {
  const { sdk, client } = session;
  const command = new sdk.GetObjectCommand({
    ...placeOf(session, name),
    ...(range !== undefined && { Range: rangeText(range) }),
    ...(etag !== undefined && { IfMatch: etag }),
  });
  // By its own field the SDK would verify the sum itself, and slowly.
  const answer = await client.send(withHeaders(command, { "x-amz-checksum-mode": "ENABLED" }), {
    abortSignal: watch.signal,
  });
  watch.answered();
  const body = answer.Body as Readable | undefined;
  const bytes = answer.ContentLength;
  if (body === undefined || bytes === undefined || !isOfRange(answer, range)) {
    throw new DamagedBody("the answer does not say which bytes it has");
  }
  const checksum = range === undefined ? wholeChecksum(answer) : undefined;
  return { body, bytes, checksum, etag: answer.ETag };
}

function rangeText({ start, end }: NonNullable<StoreGet["range"]>): string {
  return `bytes=${start}-${Number.isFinite(end) ? end - 1 : ""}`;
}

/** A server that does not know ranges would send everything. */
function isOfRange({ ContentRange }: GetObjectCommandOutput, range: StoreGet["range"]): boolean {
  return range === undefined || ContentRange?.startsWith(`bytes ${range.start}-`) === true;
}
