/**
 * The object store: what must last or does not fit in memory lies there. One interface for S3 and for a directory; everything else
 * in the project knows only this one.
 */

/** How a call may end early. Every call ends by its deadline: 60 s unless it says otherwise. */
export interface StoreCall {
  /**
   * For all of it, repetitions included. Of `upload`, `read` and `list` for each part, piece and page: how long the source or the
   * reader takes in between is its own affair.
   */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface StorePut extends StoreCall {
  /** Only where there is nothing of the name yet; else KEY_EXISTS. The store decides in one step where it can. */
  readonly ifAbsent?: boolean;
}

export interface StoreGet extends StoreCall {
  /** First byte, and behind the last byte; cut to the size. All by default. */
  readonly range?: { readonly start: number; readonly end: number };
  /** Where the bytes go: the result is a view of it. */
  readonly into?: Uint8Array;
}

export interface StoreList extends StoreCall {
  /** Only names behind this one. */
  readonly after?: string;
}

export interface StoredObject {
  readonly name: string;
  readonly sizeBytes: number;
  /** Milliseconds since 1970, by the store's clock. */
  readonly modifiedAtMs: number;
}

/** Since the store was opened. What was repeated counts each time, since it is paid each time. */
export interface StoreCounts {
  readonly puts: number;
  readonly gets: number;
  readonly heads: number;
  readonly lists: number;
  readonly deletes: number;
  readonly bytesWritten: number;
  readonly bytesRead: number;
  /** Of all those, requests that were repeated after an error, and those that the store had told to slow down. */
  readonly retries: number;
  readonly throttled: number;
}

/**
 * Names are paths below the store's URL: 1 to 1,024 bytes of UTF-8, no empty, `.` or `..` segments, no control characters. What was
 * written is there for whoever reads after the call has resolved, all of it or nothing.
 *
 * All calls reject with a MayflyError: NOT_FOUND; KEY_EXISTS; STORE_UNAVAILABLE (the store does not answer, or answers with
 * errors that may pass, until the deadline comes near), STORE_REFUSED (it will never work: credentials, bucket, disk rights), TOO_LARGE,
 * DAMAGED (what came is not what was sent, also after repetition), DEADLINE_EXCEEDED, ABORTED, INVALID_ARGUMENT (name, range), BUSY
 * (1,024 calls are open already), CLOSED. An upload whose source fails rejects with the error of the source.
 */
export interface ObjectStore {
  /** As it was opened, without credentials. */
  readonly url: string;
  /** The bytes, in one piece or several, must not change before it resolves. */
  put(name: string, body: Uint8Array | readonly Uint8Array[], options?: StorePut): Promise<void>;
  /**
   * Bytes of a length that is not known before, in pieces of any size, which must not change once they were given; nothing is visible before it resolves, and what was sent of an
   * upload that fails is removed. Memory is bounded by a few parts of `partBytes` (8 MiB by default, 5 MiB at least).
   */
  upload(
    name: string,
    pieces: AsyncIterable<Uint8Array>,
    options?: StorePut & { readonly partBytes?: number },
  ): Promise<{ readonly sizeBytes: number }>;
  /** The whole object, or a range of it. */
  get(name: string, options?: StoreGet): Promise<Uint8Array>;
  /** The object in pieces as they come, for what is too large for memory. */
  read(name: string, options?: Omit<StoreGet, "into">): AsyncIterable<Uint8Array>;
  /** Undefined when there is nothing of the name. */
  stat(name: string, options?: StoreCall): Promise<StoredObject | undefined>;
  /** Of which the names begin with `prefix`, in the order of their UTF-8 bytes. */
  list(prefix: string, options?: StoreList): AsyncIterable<StoredObject>;
  /** Those that are not there count as deleted. */
  delete(names: readonly string[], options?: StoreCall): Promise<void>;
  /** Within the store, without the bytes passing through here where that is possible. */
  copy(from: string, to: string, options?: StorePut): Promise<void>;
  readonly counts: StoreCounts;
  close(): void;
}
