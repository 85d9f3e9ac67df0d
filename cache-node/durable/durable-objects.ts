/**
 * Durable objects, at the primary of their key: read back from where their shards lie, uploaded under a name that is never used again,
 * and committed after the store has them. Of one key one is under way at a time, so that names follow one another as commits
 * do (docs/decisions/007-durable-names.md).
 */
import { piecesOf, takePiece } from "../../client/objects/stored-pieces.ts";
import { type Deadline, leftMs, startDeadline, within } from "../../client/transport/deadline.ts";
import type { Clock } from "../../src/clock.ts";
import type { ObjectStore } from "../../src/durable/object-store.ts";
import { MayflyError } from "../../src/errors.ts";
import type { Group, JobNumber } from "../../src/ids.ts";
import { groupOf } from "../../src/placement/groups.ts";
import { durableMark, durableName, isImportable, parseDurableName } from "../../src/wire/durable-name.ts";
import { durableRef, encodeDurableValue } from "../../src/wire/durable-value.ts";
import { decodeRef, encodeRef, inlineObject, type Ref, type StoredPlace } from "../../src/wire/ref.ts";
import { type Stripe, stripeAt, stripeCount } from "../../src/wire/stripe-layout.ts";
import type { Version } from "../../src/wire/version.ts";
import type { Mutation } from "../cells/mutation-log.ts";
import type { PrimaryCells } from "../cells/primary-cells.ts";
import type { Rows } from "../cells/rows.ts";
import type { JobDirectory } from "../job-directory.ts";
import { eachLimited } from "../relocation/each-limited.ts";
import type { Cell } from "../store/cell.ts";
import { cellName } from "../store/cell.ts";
import type { CellStore } from "../store/cell-store.ts";
import { KeyTurns } from "./key-turns.ts";
import { type ReadStripeOptions, readStripe } from "./read-stripe.ts";
import type { StoredRemovals } from "./stored-removals.ts";
import { UploadBudget } from "./upload-budget.ts";

export interface DurableObjectsOptions extends Omit<ReadStripeOptions, "jobs"> {
  readonly clock: Clock;
  readonly jobs: Pick<JobDirectory, "ended" | "note">;
  readonly store: { readonly exists: boolean; open(): Promise<ObjectStore> };
  /** The id of the fleet, with which its names begin. */
  readonly fleet: () => string;
  readonly rows: Pick<Rows, "asPrimary">;
  readonly cells: Pick<CellStore, "get">;
  readonly primary: Pick<PrimaryCells, "check" | "setChecked" | "read" | "relocate" | "keepBytes">;
  readonly removals: Pick<StoredRemovals, "remove" | "removeAlsoLater">;
  /** What was asked of the store for a job. */
  readonly onUse: (job: JobNumber, use: { readonly puts: number; readonly bytesWritten: number }) => void;
}

export interface DurablePut {
  readonly mutation: Mutation;
  readonly kind: "bytes" | "ref";
  /** Memory of its own. */
  readonly value: Uint8Array;
  readonly ttlMs: number;
  readonly timeoutMs: number;
}

/** `made`: it is durable now; `there`: it was; `other`: no bytes are at the key, but a counter or a collection; `gone`: nothing is. */
export type Persisted = "made" | "there" | "other" | "gone";

const mebibyte = 2 ** 20;
/** Up to this size an object is uploaded with one request, from one piece of memory. */
const wholeBytesMax = 16 * mebibyte;
const uploadBytesMax = 64 * mebibyte;
/** What an upload in parts may hold. */
const partsBytes = 32 * mebibyte;
const partBytes = 8 * mebibyte;
const stripesInFlight = 2;
const persistTriesMax = 3;

export class DurableObjects {
  readonly #options: DurableObjectsOptions;
  readonly #turns = new KeyTurns();
  readonly #budget = new UploadBudget(uploadBytesMax);
  #count = 0;

  constructor(options: DurableObjectsOptions) {
    this.#options = options;
  }

  /**
   * Sets the key once the store has its bytes. The name there is undefined when the mutation took place before and the key has
   * changed since.
   * @throws MayflyError INVALID_ARGUMENT where the fleet has no store; STORE_UNAVAILABLE when it did not take the bytes in time, and
   * STORE_REFUSED: the key holds what it held; and what a plain set throws
   */
  async put(put: DurablePut): Promise<{ version: Version; name: string | undefined }> {
    const { mutation, kind, value } = put;
    this.#checkStore();
    if (kind === "ref" && decodeRef(value).stored !== undefined) {
      throw new MayflyError(
        "INVALID_ARGUMENT",
        "Where a durable object lies in the store is not the writer's to say.",
      );
    }
    const { job, name } = mutation;
    return await this.#inTurn(job, name, put.timeoutMs, (deadline) => this.#put(put, deadline));
  }

  async #put(
    { mutation, kind, value, ttlMs }: DurablePut,
    deadline: Deadline,
  ): Promise<{ version: Version; name: string | undefined }> {
    const { primary } = this.#options;
    const { job, key } = mutation;
    const group = groupOf(key);
    const known = primary.check(mutation, kind, value, group);
    if (known !== undefined) return this.#asBefore(mutation, group, await known);
    const upload = this.#begin(job, group, key);
    const { name, place } = upload;
    await this.#upload(job, kind === "bytes" ? value : decodeRef(value), name, deadline);
    let made: Version | Promise<Version>;
    try {
      this.#checkCurrent(job, group, upload.generation);
      const answered = primary.check(mutation, kind, value, group);
      if (answered !== undefined) {
        this.#options.removals.remove(name);
        return this.#asBefore(mutation, group, await answered);
      }
      const stored = kind === "bytes" ? "durable" : kind;
      made = primary.setChecked(mutation, stored, withPlace(kind, key, value, place), ttlMs, group);
    } catch (thrown) {
      this.#options.removals.remove(name);
      throw thrown;
    }
    // From here on nobody here knows whether a failure left the effect on others: then the name is theirs.
    return { version: await made, name };
  }

  /**
   * Makes durable what is at the key; its version stays.
   * @throws MayflyError as `put`; BUSY when the key changes again and again
   */
  async persist(
    job: JobNumber,
    key: Uint8Array,
    timeoutMs: number,
  ): Promise<{ state: Persisted; bytes: number; name: string | undefined }> {
    this.#checkStore();
    const cell = cellName(key);
    return await this.#inTurn(job, cell, timeoutMs, async (deadline) => {
      for (let tries = 1; tries <= persistTriesMax; tries++) {
        const outcome = await this.#persist(job, key, cell, deadline);
        if (outcome !== undefined) return outcome;
      }
      throw new MayflyError("BUSY", "The key changed while it was made durable.", { retryAfterMs: 100 });
    });
  }

  /** Undefined when the key has changed meanwhile. */
  async #persist(
    job: JobNumber,
    key: Uint8Array,
    name: string,
    deadline: Deadline,
  ): Promise<{ state: Persisted; bytes: number; name: string | undefined } | undefined> {
    const { cells, primary, removals } = this.#options;
    const group = groupOf(key);
    const { cell, ready } = primary.read(job, key, group);
    const found = cell?.block === undefined ? undefined : foundIn(cell);
    await ready;
    if (found === undefined) return { state: "gone", bytes: 0, name: undefined };
    if ("state" in found) return found;
    const { version, value } = found;
    const upload = this.#begin(job, group, key);
    await this.#upload(job, value, upload.name, deadline);
    const isRef = !(value instanceof Uint8Array);
    let kept: Promise<boolean>;
    try {
      this.#checkCurrent(job, group, upload.generation);
      if (isRef) {
        const now = refIn(cells.get(job, group, name));
        const isSame = now?.object === value.object && now.stored?.layout !== "plain";
        const changed = isSame ? encodeRef({ ...now, stored: upload.place }) : undefined;
        kept = changed ? primary.relocate(job, group, name, value.object, changed) : Promise.resolve(false);
      } else {
        kept = primary.keepBytes(job, group, name, version, withPlace("bytes", key, value, upload.place));
      }
    } catch (thrown) {
      removals.remove(upload.name);
      throw thrown;
    }
    if (!(await kept)) {
      removals.remove(upload.name);
      return undefined;
    }
    return { state: "made", bytes: isRef ? value.sizeBytes : value.length, name: upload.name };
  }

  /** To be called with each ref that nothing names any more: what is durable of it goes, if this key's it was. */
  released(job: JobNumber, { key, stored }: Ref): void {
    if (stored?.layout !== "plain") return;
    const parsed = parseDurableName(stored.name);
    const isOwn = parsed?.fleet === this.#options.fleet() && parsed.job === job;
    if (isOwn && cellName(parsed.key) === cellName(key)) this.#options.removals.remove(stored.name);
  }

  /** The id of the fleet, with which its names begin. */
  get fleet(): string {
    return this.#options.fleet();
  }

  /** @throws MayflyError INVALID_ARGUMENT where the fleet has none */
  async openStore(): Promise<ObjectStore> {
    this.#checkStore();
    return await this.#options.store.open();
  }

  /** @throws MayflyError INVALID_ARGUMENT when the job may not name what lies at this place */
  checkStored(job: JobNumber, { stored }: Ref): void {
    this.#checkStore();
    if (stored?.layout === "plain" && isImportable(stored.name, this.#options.fleet(), job)) return;
    throw new MayflyError(
      "INVALID_ARGUMENT",
      "A job may not name this object of the store; see job.import().",
    );
  }

  /** The name of what the key holds, if it is what the mutation made. */
  #asBefore(
    { job, name }: Mutation,
    group: Group,
    version: Version,
  ): { version: Version; name: string | undefined } {
    const cell = this.#options.cells.get(job, group, name);
    const isSame =
      cell?.version.generation === version.generation && cell.version.sequence === version.sequence;
    return { version, name: isSame ? refIn(cell)?.stored?.name : undefined };
  }

  #begin(
    job: JobNumber,
    group: Group,
    key: Uint8Array,
  ): { readonly generation: number; readonly name: string; readonly place: StoredPlace } {
    const { generation } = this.#options.rows.asPrimary(group);
    this.#count += 1;
    const name = durableName(this.#options.fleet(), job, key, durableMark(generation, this.#count));
    return { generation, name, place: { name, offset: 0, layout: "plain" } };
  }

  /**
   * Another node may have led the row, and have committed under newer names, unless its generation is still the one of the upload.
   * @throws MayflyError MOVED, UNAVAILABLE (come again), JOB_ENDED
   */
  #checkCurrent(job: JobNumber, group: Group, generation: number): void {
    if (this.#options.jobs.ended(job)) throw new MayflyError("JOB_ENDED", `Job ${job} has ended.`);
    if (this.#options.rows.asPrimary(group).generation === generation) return;
    throw new MayflyError("UNAVAILABLE", "The row of the key changed while its object was uploaded.", {
      retryAfterMs: 1,
    });
  }

  /** What fails here may still arrive: then nothing names it. */
  async #upload(job: JobNumber, what: Uint8Array | Ref, name: string, deadline: Deadline): Promise<void> {
    const bytes = what instanceof Uint8Array ? what.length : what.sizeBytes;
    try {
      const inMemory = bytes <= wholeBytesMax ? bytes : partsBytes;
      await this.#budget.use(inMemory, deadline, () =>
        within(deadline, this.#send(job, what, name, deadline)),
      );
    } catch (thrown) {
      this.#options.removals.removeAlsoLater(name);
      throw thrown;
    }
    // In parts: one request begins it, and one ends it.
    const puts = bytes > wholeBytesMax ? Math.ceil(bytes / partBytes) + 2 : 1;
    this.#options.onUse(job, { puts, bytesWritten: bytes });
  }

  async #send(job: JobNumber, what: Uint8Array | Ref, name: string, deadline: Deadline): Promise<void> {
    const store = await this.#options.store.open();
    const timeoutMs = (): number => Math.max(1, leftMs(deadline));
    if (!(what instanceof Uint8Array) && what.sizeBytes > wholeBytesMax) {
      const pieces = this.#stripes(job, what, deadline);
      await store.upload(name, pieces, { timeoutMs: timeoutMs(), partBytes });
      return;
    }
    const whole = what instanceof Uint8Array ? what : await this.#whole(job, what, deadline);
    await store.put(name, whole, { timeoutMs: timeoutMs() });
  }

  async #whole(job: JobNumber, ref: Ref, deadline: Deadline): Promise<Uint8Array> {
    const whole = Buffer.allocUnsafeSlow(ref.sizeBytes);
    const { sizeBytes, code } = ref;
    const count = stripeCount(sizeBytes, code);
    const stripes = Array.from({ length: count }, (_, index) => stripeAt(sizeBytes, code, index));
    await eachLimited(stripes, stripesInFlight, async (stripe) => {
      const into = whole.subarray(stripe.offset, stripe.offset + stripe.bytes);
      await this.#readStripe(job, ref, stripe, into, deadline);
    });
    return whole;
  }

  async *#stripes(job: JobNumber, ref: Ref, deadline: Deadline): AsyncGenerator<Uint8Array> {
    for (let index = 0; index < stripeCount(ref.sizeBytes, ref.code); index++) {
      const stripe = stripeAt(ref.sizeBytes, ref.code, index);
      const into = Buffer.allocUnsafeSlow(stripe.bytes);
      await this.#readStripe(job, ref, stripe, into, deadline);
      yield into;
    }
  }

  /** From memory; what was spilled, from the store. */
  async #readStripe(
    job: JobNumber,
    ref: Ref,
    stripe: Stripe,
    into: Uint8Array,
    deadline: Deadline,
  ): Promise<void> {
    const { scratch, store } = this.#options;
    if (ref.stripes !== undefined) return await readStripe(this.#options, job, ref, stripe, into, deadline);
    const { checksums } = scratch.of(ref.code);
    const opened = await store.open();
    for (const piece of piecesOf({ ref, offset: stripe.offset, length: stripe.bytes, into })) {
      const range = { start: piece.offset, end: piece.offset + piece.length };
      const bytes = await opened.get(piece.name, { range, timeoutMs: Math.max(1, leftMs(deadline)) });
      if (takePiece(checksums, job, piece, bytes)) continue;
      throw new MayflyError("DAMAGED", `The spilled object of ${piece.name} is damaged in the store.`);
    }
  }

  #checkStore(): void {
    if (this.#options.store.exists) return;
    throw new MayflyError(
      "INVALID_ARGUMENT",
      "This fleet has no object store, so nothing in it is durable: start its controller with --store URL.",
    );
  }

  /** @throws STORE_UNAVAILABLE when time is over */
  async #inTurn<T>(
    job: JobNumber,
    name: string,
    timeoutMs: number,
    work: (deadline: Deadline) => Promise<T>,
  ): Promise<T> {
    const deadline = startDeadline(this.#options.clock, timeoutMs, undefined, "making an object durable");
    try {
      return await this.#turns.take(`${job} ${name}`, deadline, () => work(deadline));
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      if (error.code !== "DEADLINE_EXCEEDED") throw error;
      const message = `The object store did not have it within ${Math.round(timeoutMs)} ms.`;
      throw new MayflyError("STORE_UNAVAILABLE", message, { cause: error });
    }
  }
}

/** What is at a key, in memory of its own; or why it is not to be made durable. */
function foundIn(
  cell: Cell,
):
  | { readonly version: Version; readonly value: Uint8Array | Ref }
  | { readonly state: "there" | "other"; readonly bytes: 0; readonly name: string | undefined } {
  const { kind, version, block } = cell;
  if (kind === "bytes") return { version, value: Buffer.from(block!.view()) };
  const ref = refIn(cell);
  if (ref === undefined) return { state: "other", bytes: 0, name: undefined };
  if (ref.stored?.layout === "plain") return { state: "there", bytes: 0, name: ref.stored.name };
  return { version, value: ref };
}

/** Of an object, or of bytes that are durable. */
function refIn(cell: Cell | undefined): Ref | undefined {
  if (cell?.block === undefined) return undefined;
  if (cell.kind === "durable") return decodeRef(durableRef(cell.block.view()));
  return cell.kind === "ref" ? decodeRef(cell.block.view()) : undefined;
}

function withPlace(
  kind: "bytes" | "ref",
  key: Uint8Array,
  value: Uint8Array,
  stored: StoredPlace,
): Uint8Array {
  if (kind === "ref") return encodeRef({ ...decodeRef(value), stored });
  const code = { d: 1, p: 0 };
  const ref = { object: inlineObject, key, sizeBytes: value.length, code, stripes: undefined, stored };
  return encodeDurableValue(value, ref);
}
