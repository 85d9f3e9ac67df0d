/** Objects in S3, or in a server that speaks like it. */
import type { LimiterOptions } from "../limiter.ts";
import { asPieces, bytesOf, checkName, checkRange } from "../object-name.ts";
import type {
  ObjectStore,
  StoreCall,
  StoreCounts,
  StoredObject,
  StoreGet,
  StoreList,
  StorePut,
} from "../object-store.ts";
import type { OpenStoreOptions } from "../open-store.ts";
import { type OpenCall, StoreCalls } from "../store-calls.ts";
import { copyObject } from "./copy-object.ts";
import { deleteObjects } from "./delete-objects.ts";
import { getBytes } from "./get-bytes.ts";
import { listObjects } from "./list-objects.ts";
import { type S3Place, s3UrlOf } from "./place.ts";
import { putPieces, singlePutBytesMax } from "./put-pieces.ts";
import { readPieces } from "./read-pieces.ts";
import { connectS3 } from "./s3-client.ts";
import { S3Requests } from "./s3-requests.ts";
import type { S3Session } from "./s3-session.ts";
import { statObject } from "./stat-object.ts";
import { putInParts, uploadPieces } from "./upload-pieces.ts";

export interface S3StoreOptions extends OpenStoreOptions {
  readonly limits?: LimiterOptions;
  /** A request is given up after that long without a byte; 5 s. */
  readonly stallMs?: number;
}

/** @throws MayflyError INVALID_ARGUMENT without the package of the AWS SDK, or without a region */
export async function openS3Store(place: S3Place, options: S3StoreOptions): Promise<ObjectStore> {
  const { sdk, client } = await connectS3(place);
  const { clock, rng, limits, stallMs } = options;
  const url = s3UrlOf(place);
  const calls = new StoreCalls(clock, url);
  const requests = new S3Requests(clock, rng, limits, stallMs);
  return new S3Store({ place, sdk, client, requests, calls, rng }, url);
}

class S3Store implements ObjectStore {
  readonly url: string;
  readonly #session: S3Session;

  constructor(session: S3Session, url: string) {
    this.#session = session;
    this.url = url;
  }

  get counts(): StoreCounts {
    return { ...this.#session.requests.counts };
  }

  async put(name: string, body: Uint8Array | readonly Uint8Array[], options: StorePut = {}): Promise<void> {
    checkName(name);
    const pieces = asPieces(body);
    await this.#within(`put ${name}`, options, async (call) => {
      const isLarge = bytesOf(pieces) > singlePutBytesMax;
      await (isLarge ? putInParts : putPieces)(this.#session, call, name, pieces, options);
    });
  }

  upload(
    name: string,
    pieces: AsyncIterable<Uint8Array>,
    options: StorePut & { readonly partBytes?: number } = {},
  ): Promise<{ readonly sizeBytes: number }> {
    return uploadPieces(this.#session, name, pieces, options);
  }

  async get(name: string, options: StoreGet = {}): Promise<Uint8Array> {
    checkName(name);
    checkRange(options.range);
    return this.#within(`get ${name}`, options, (call) => getBytes(this.#session, call, name, options));
  }

  read(name: string, options: Omit<StoreGet, "into"> = {}): AsyncIterable<Uint8Array> {
    return readPieces(this.#session, name, options);
  }

  async stat(name: string, options: StoreCall = {}): Promise<StoredObject | undefined> {
    checkName(name);
    return this.#within(`stat ${name}`, options, (call) => statObject(this.#session, call, name));
  }

  list(prefix: string, options: StoreList = {}): AsyncIterable<StoredObject> {
    return listObjects(this.#session, prefix, options);
  }

  async delete(names: readonly string[], options: StoreCall = {}): Promise<void> {
    for (const name of names) checkName(name);
    if (names.length === 0) return;
    const what = names.length === 1 ? names[0]! : `${names.length} objects`;
    await this.#within(`delete ${what}`, options, (call) => deleteObjects(this.#session, call, names));
  }

  async copy(from: string, to: string, options: StorePut = {}): Promise<void> {
    checkName(from);
    checkName(to);
    await this.#within(`copy ${from} to ${to}`, options, (call) =>
      copyObject(this.#session, call, from, to, options),
    );
  }

  close(): void {
    this.#session.calls.close();
    this.#session.client.destroy();
  }

  #within<T>(action: string, options: StoreCall, work: (call: OpenCall) => Promise<T>): Promise<T> {
    return this.#session.calls.within(action, options, work);
  }
}
