/** An object in pieces as they come. A connection that breaks is made anew for what is missing, of the same object. */
import { MayflyError } from "../../errors.ts";
import { checkName, checkRange } from "../object-name.ts";
import type { StoreGet } from "../object-store.ts";
import { orAborted } from "../or-aborted.ts";
import { type OpenCall, reasonOf } from "../store-calls.ts";
import { runningChecksum } from "./body-checksum.ts";
import { notFound, type OpenBody, openBody } from "./get-bytes.ts";
import { DamagedBody, failureOf } from "./s3-errors.ts";
import type { S3Session } from "./s3-session.ts";
import type { StallWatch } from "./stall-watch.ts";
import { statObject } from "./stat-object.ts";

/** The deadline is that of each piece: how long the reader takes is its affair. */
export async function* readPieces(
  session: S3Session,
  name: string,
  options: Omit<StoreGet, "into">,
): AsyncGenerator<Uint8Array, void, undefined> {
  checkName(name);
  checkRange(options.range);
  const call = session.calls.open(`read ${name}`, options);
  const reading = new ObjectReading(session, call, name, options.range);
  try {
    for (let piece = await reading.next(); piece !== undefined; piece = await reading.next()) {
      call.pause();
      yield piece;
      call.renew();
    }
  } finally {
    reading.end();
    call.end();
  }
}

interface Connection extends OpenBody {
  readonly watch: StallWatch;
  readonly chunks: AsyncIterator<Uint8Array>;
}

/** It has a slot of the limiter only until the answer begins: many may be open while their readers do something else. */
class ObjectReading {
  readonly #session: S3Session;
  readonly #call: OpenCall;
  readonly #name: string;
  readonly #range: StoreGet["range"];
  readonly #checksum = runningChecksum();
  #at: number;
  #connection: Connection | undefined;
  /** What the first answer said about the object. */
  #found:
    | { readonly endAt: number; readonly etag: string | undefined; readonly checksum: string | undefined }
    | undefined;
  #failures = 0;

  constructor(session: S3Session, call: OpenCall, name: string, range: StoreGet["range"]) {
    this.#session = session;
    this.#call = call;
    this.#name = name;
    this.#range = range;
    this.#at = range?.start ?? 0;
  }

  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      this.#connection ??= await this.#connect();
      if (this.#connection === undefined) return undefined;
      const { chunks, watch } = this.#connection;
      try {
        watch.resume();
        const { done, value } = await orAborted(watch.signal, chunks.next());
        watch.pause();
        if (done !== true) return this.#received(value);
        if (this.#at < this.#found!.endAt) throw new DamagedBody(`the answer ended at byte ${this.#at}`);
      } catch (thrown) {
        this.end();
        await this.#repeatAfter(watch.signal.aborted ? watch.signal.reason : thrown);
        continue;
      }
      this.end();
      this.#verify();
      return undefined;
    }
  }

  end(): void {
    this.#connection?.watch.end(this.#at === this.#found?.endAt);
    this.#connection = undefined;
  }

  #received(chunk: Uint8Array): Uint8Array {
    this.#session.requests.counts.bytesRead += chunk.byteLength;
    if (this.#found?.checksum !== undefined) this.#checksum.add(chunk);
    this.#at += chunk.byteLength;
    this.#failures = 0;
    return chunk;
  }

  /** Undefined when there is nothing to read. */
  async #connect(): Promise<Connection | undefined> {
    const { requests } = this.#session;
    const found = this.#found;
    if (found === undefined && this.#range !== undefined && this.#range.start === this.#range.end) {
      const stored = await statObject(this.#session, this.#call, this.#name);
      if (stored === undefined) throw notFound(this.#call);
      return undefined;
    }
    const end = found?.endAt ?? this.#range?.end ?? Number.POSITIVE_INFINITY;
    const range = found === undefined && this.#range === undefined ? undefined : { start: this.#at, end };
    const opened = await requests.open<OpenBody | undefined>(
      this.#call,
      { counted: "gets" },
      ({ watch }) => openBody(this.#session, this.#name, range, found?.etag, watch),
      ({ kind }) => {
        if (kind === "range" && found === undefined) return Promise.resolve(undefined);
        return kind === "condition" ? Promise.reject(replaced(this.#call)) : undefined;
      },
    );
    if (opened.result === undefined || opened.watch === undefined) return undefined;
    const { result, watch } = opened;
    this.#found ??= { endAt: this.#at + result.bytes, etag: result.etag, checksum: result.checksum };
    const chunks = (result.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    return { ...result, watch, chunks };
  }

  async #repeatAfter(thrown: unknown): Promise<void> {
    if (this.#call.signal.aborted) throw reasonOf(this.#call.signal);
    const { requests } = this.#session;
    this.#failures += 1;
    requests.counts.retries += 1;
    await requests.backOff(this.#call, this.#failures, failureOf(thrown));
  }

  #verify(): void {
    const expected = this.#found?.checksum;
    if (expected === undefined || this.#checksum.value() === expected) return;
    throw new MayflyError(
      "DAMAGED",
      `${this.#call.what}: the bytes that were given do not have the checksum of the object. Discard them and read again.`,
    );
  }
}

function replaced({ what }: OpenCall): MayflyError {
  return new MayflyError(
    "DAMAGED",
    `${what}: the object was replaced meanwhile. Discard what came and read again.`,
  );
}
