/** An upload in parts: begun, filled, and completed or aborted. */
import type { CompletedPart } from "@aws-sdk/client-s3";
import { MayflyError } from "../../errors.ts";
import { bytesOf } from "../object-name.ts";
import type { OpenCall } from "../store-calls.ts";
import { checksumOf, type RunningChecksum, runningChecksum } from "./body-checksum.ts";
import { requestBody } from "./request-body.ts";
import { withHeaders } from "./s3-client.ts";
import { placeOf, type S3Session } from "./s3-session.ts";
import { newWriteId, orOwnWrite, writeIdMetadata } from "./write-id.ts";

/** The checksum, which the server verifies, stands for the body; a signature of it would be a second, slower one. */
export const unsignedBody: Readonly<Record<string, string>> = { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" };

/** The server puts the parts together, or copies, before it answers. */
export const longStallMs = 30_000;
const abortTimeoutMs = 10_000;

export function existsError({ what }: Pick<OpenCall, "what">): MayflyError {
  return new MayflyError("KEY_EXISTS", `${what}: there is an object of the name already.`);
}

export class MultipartUpload {
  readonly #session: S3Session;
  readonly #name: string;
  readonly #uploadId: string;
  readonly #writeId: string;
  /** Of all bytes, when the server takes such a sum for an upload. */
  readonly #whole: RunningChecksum | undefined;
  readonly #parts: CompletedPart[] = [];
  sizeBytes = 0;

  private constructor(
    session: S3Session,
    name: string,
    ids: { readonly uploadId: string; readonly writeId: string },
    takesWholeSum: boolean,
  ) {
    this.#session = session;
    this.#name = name;
    this.#uploadId = ids.uploadId;
    this.#writeId = ids.writeId;
    this.#whole = takesWholeSum ? runningChecksum() : undefined;
  }

  static async begin(session: S3Session, call: OpenCall, name: string): Promise<MultipartUpload> {
    const { sdk, client, requests } = session;
    const writeId = newWriteId(session);
    // One that is repeated after a lost answer leaves an empty upload, which the bucket's lifecycle removes.
    return requests.run(call, { counted: "puts" }, async ({ watch }) => {
      const command = new sdk.CreateMultipartUploadCommand({
        ...placeOf(session, name),
        ...{ ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT", Metadata: writeIdMetadata(writeId) },
      });
      const answer = await client.send(command, { abortSignal: watch.signal });
      watch.answered();
      if (answer.UploadId === undefined)
        throw new Error("the answer to CreateMultipartUpload has no upload id");
      const ids = { uploadId: answer.UploadId, writeId };
      return new MultipartUpload(session, name, ids, answer.ChecksumType === "FULL_OBJECT");
    });
  }

  /** Parts may be sent side by side, but must be given in order. */
  async part(call: OpenCall, pieces: readonly Uint8Array[]): Promise<void> {
    const { sdk, client, requests } = this.#session;
    const bytes = bytesOf(pieces);
    const checksum = checksumOf(pieces);
    if (this.#whole !== undefined) for (const piece of pieces) this.#whole.add(piece);
    this.sizeBytes += bytes;
    const part: CompletedPart = { PartNumber: this.#parts.length + 1, ChecksumCRC32: checksum };
    this.#parts.push(part);
    await requests.run(call, { counted: "puts", bytes }, async ({ watch }) => {
      const command = new sdk.UploadPartCommand({
        ...this.#place(),
        PartNumber: part.PartNumber,
        Body: requestBody(pieces, watch, (sent) => {
          requests.counts.bytesWritten += sent;
        }),
        ContentLength: bytes,
        ChecksumCRC32: checksum,
      });
      const { ETag } = await client.send(withHeaders(command, unsignedBody), { abortSignal: watch.signal });
      watch.answered();
      part.ETag = ETag;
    });
  }

  async complete(call: OpenCall, ifAbsent: boolean): Promise<void> {
    const { sdk, client, requests } = this.#session;
    await requests.run(
      call,
      { counted: "puts", bytes: this.sizeBytes, stallMs: longStallMs },
      async ({ watch }) => {
        const command = new sdk.CompleteMultipartUploadCommand({
          ...this.#place(),
          MultipartUpload: { Parts: this.#parts },
          ...(this.#whole !== undefined && {
            ...{ ChecksumType: "FULL_OBJECT", ChecksumCRC32: this.#whole.value() },
          }),
          ...(ifAbsent && { IfNoneMatch: "*" }),
        });
        await client.send(command, { abortSignal: watch.signal });
        watch.answered();
      },
      orOwnWrite(this.#session, call, this.#name, this.#writeId, ["condition", "no-upload"], (kind) =>
        kind === "condition" ? existsError(call) : lostUpload(call),
      ),
    );
  }

  /** Best effort, in a time of its own: what it is called for has failed already. */
  async abort(): Promise<void> {
    const { sdk, client, requests, calls } = this.#session;
    const options = { timeoutMs: abortTimeoutMs };
    await calls
      .within(`abort the upload of ${this.#name}`, options, (call) =>
        requests.run(call, { counted: undefined }, async ({ watch }) => {
          const command = new sdk.AbortMultipartUploadCommand(this.#place());
          await client.send(command, { abortSignal: watch.signal });
          watch.answered();
        }),
      )
      .catch(() => undefined);
  }

  #place(): { Bucket: string; Key: string; UploadId: string } {
    return { ...placeOf(this.#session, this.#name), UploadId: this.#uploadId };
  }
}

function lostUpload({ what }: OpenCall): MayflyError {
  return new MayflyError(
    "STORE_UNAVAILABLE",
    `${what}: the store no longer has the upload, and no object of it. Somebody removed it: begin anew.`,
  );
}
