/** An object whose bytes come as they are made, in memory of a few parts. */
import { MayflyError } from "../../errors.ts";
import { checkName } from "../object-name.ts";
import type { StorePut } from "../object-store.ts";
import { piecesUntilAborted, SourceFailed } from "../or-aborted.ts";
import { PartCutter } from "../part-cutter.ts";
import { type OpenCall, reasonOf } from "../store-calls.ts";
import { MultipartUpload } from "./multipart.ts";
import { putPieces } from "./put-pieces.ts";
import type { S3Session } from "./s3-session.ts";

export const partBytesDefault: number = 8 * 2 ** 20;
/** S3 takes no smaller ones, but for the last, and no larger ones. */
export const partBytesMin: number = 5 * 2 ** 20;
const partBytesMax = 512 * 2 ** 20;
/** S3 takes 10,000 parts: those of long uploads double in size after so many. */
const partsOfOneSize = 1000;
const partsInFlight = 3;
const putPartBytes = 32 * 2 ** 20;

export interface UploadOptions extends StorePut {
  readonly partBytes?: number;
}

/** The deadline is that of each part: how long the source takes is its affair. */
export async function uploadPieces(
  session: S3Session,
  name: string,
  pieces: AsyncIterable<Uint8Array>,
  options: UploadOptions,
  isPart = false,
): Promise<{ readonly sizeBytes: number }> {
  checkName(name);
  const { partBytes = partBytesDefault, ifAbsent = false } = options;
  checkPartBytes(partBytes);
  const { calls } = session;
  const cutter = new PartCutter();
  const whole = calls.open(`upload ${name}`, options, isPart);
  whole.pause();
  let upload: MultipartUpload | undefined;
  const inFlight = new Set<Promise<void>>();
  // What one part dies of ends all of it.
  let failed: { readonly thrown: unknown } | undefined;
  const stop = new AbortController();
  const { timeoutMs } = options;
  const ofPart = {
    signal: AbortSignal.any([whole.signal, stop.signal]),
    ...(timeoutMs !== undefined && { timeoutMs }),
  };
  const within = <T>(work: (call: OpenCall) => Promise<T>): Promise<T> =>
    calls.within(`upload ${name}`, ofPart, work, true);
  const sendPart = async (part: readonly Uint8Array[]): Promise<void> => {
    upload ??= await within((call) => MultipartUpload.begin(session, call, name));
    const to = upload;
    while (inFlight.size >= partsInFlight) await Promise.race(inFlight);
    if (failed !== undefined) throw failed.thrown;
    const sent = within((call) => to.part(call, part)).catch((thrown: unknown) => {
      failed ??= { thrown };
    });
    inFlight.add(sent);
    void sent.then(() => inFlight.delete(sent));
  };
  let parts = 0;
  try {
    for await (const piece of piecesUntilAborted(pieces, whole.signal)) {
      for (let rest = piece; rest.byteLength > 0; ) {
        const size = Math.min(partBytes * 2 ** Math.floor(parts / partsOfOneSize), partBytesMax);
        rest = cutter.add(rest, size);
        if (cutter.bytes < size) continue;
        await sendPart(cutter.take());
        parts += 1;
      }
    }
    if (upload === undefined) {
      const sizeBytes = cutter.bytes;
      await within((call) => putPieces(session, call, name, cutter.take(), { ifAbsent }));
      return { sizeBytes };
    }
    if (cutter.bytes > 0) await sendPart(cutter.take());
    await Promise.all(inFlight);
    if (failed !== undefined) throw (failed as { readonly thrown: unknown }).thrown;
    const { sizeBytes } = upload;
    await within((call) => (upload as MultipartUpload).complete(call, ifAbsent));
    return { sizeBytes };
  } catch (thrown) {
    stop.abort();
    await Promise.all(inFlight);
    await (upload as MultipartUpload | undefined)?.abort();
    throw thrown instanceof SourceFailed ? thrown.cause : thrown;
  } finally {
    whole.end();
  }
}

function checkPartBytes(partBytes: number): void {
  if (Number.isSafeInteger(partBytes) && partBytes >= partBytesMin && partBytes <= partBytesMax) return;
  throw new MayflyError(
    "INVALID_ARGUMENT",
    `partBytes must be a whole number from ${partBytesMin} to ${partBytesMax}; it is ${partBytes}.`,
  );
}

/** Bytes that are in memory, and too many for one request. The deadline is that of the call. */
export async function putInParts(
  session: S3Session,
  call: OpenCall,
  name: string,
  pieces: readonly Uint8Array[],
  { ifAbsent = false }: StorePut,
): Promise<void> {
  const one = async function* (): AsyncGenerator<Uint8Array> {
    yield* pieces;
  };
  const options = { ifAbsent, partBytes: putPartBytes, signal: call.signal, timeoutMs: call.remainingMs() };
  try {
    await uploadPieces(session, name, one(), options, true);
  } catch (thrown) {
    throw call.signal.aborted ? reasonOf(call.signal) : thrown;
  }
}
