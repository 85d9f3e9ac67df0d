/**
 * The stream of effects from this primary to one backup, in order and pipelined: what is logged in one turn of the
 * event loop goes in one request. After a failure everything that is not acknowledged and still wanted is sent
 * again; the backup skips what it has.
 */
import type { Clock } from "../../src/clock.ts";
import { atEndOfTurn } from "../../src/end-of-turn.ts";
import { MayflyError } from "../../src/errors.ts";
import type { Group } from "../../src/ids.ts";
import { effectsPerBatchMax } from "../../src/wire/cell.ts";

export interface LoggedEffect {
  readonly group: Group;
  readonly encoded: Uint8Array;
  /** Called when the backup has it. */
  readonly acknowledged: () => void;
}

export interface BackupLinkOptions {
  readonly clock: Clock;
  /** Sends encoded effects in one batch; rejects when the backup did not take it. */
  readonly send: (encoded: readonly Uint8Array[]) => Promise<void>;
  /** Whether the backup is still to have the effects of a group: rows change. */
  readonly wanted: (group: Group) => boolean;
  /** Told of each failure, so that an older or newer map can be exchanged. */
  readonly onFailure: (error: MayflyError) => void;
}

const batchesInFlightMax = 8;
const batchBytesMax = 256 * 1024;
const retryMs = 50;

export class BackupLink {
  readonly #options: BackupLinkOptions;
  /** Not yet acknowledged, oldest first; the first `#sent` of them are under way. */
  #queue: LoggedEffect[] = [];
  #sent = 0;
  #inFlight = 0;
  #failed = false;
  #scheduled = false;
  #closed = false;
  readonly #pumpNow = (): void => {
    this.#scheduled = false;
    this.#pump();
  };

  constructor(options: BackupLinkOptions) {
    this.#options = options;
  }

  get backlog(): number {
    return this.#queue.length;
  }

  push(logged: LoggedEffect): void {
    if (this.#closed) return;
    this.#queue.push(logged);
    if (this.#scheduled) return;
    this.#scheduled = true;
    atEndOfTurn(this.#pumpNow);
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
  }

  #pump(): void {
    while (
      !this.#closed &&
      !this.#failed &&
      this.#inFlight < batchesInFlightMax &&
      this.#sent < this.#queue.length
    ) {
      const batch = this.#nextBatch();
      this.#sent += batch.length;
      this.#inFlight += 1;
      this.#options.send(batch.map(({ encoded }) => encoded)).then(
        () => this.#succeeded(batch),
        (error: unknown) => this.#sendFailed(MayflyError.from(error)),
      );
    }
  }

  #nextBatch(): LoggedEffect[] {
    let bytes = 0;
    let end = this.#sent;
    while (end < this.#queue.length && end - this.#sent < effectsPerBatchMax && bytes < batchBytesMax) {
      bytes += this.#queue[end++]!.encoded.length;
    }
    return this.#queue.slice(this.#sent, end);
  }

  /** Answers come in the order of sending until one fails; behind a failure nothing counts as taken. */
  #succeeded(batch: readonly LoggedEffect[]): void {
    this.#inFlight -= 1;
    if (this.#closed) return;
    if (!this.#failed) {
      this.#queue.splice(0, batch.length);
      this.#sent -= batch.length;
      for (const { acknowledged } of batch) acknowledged();
    }
    this.#next();
  }

  #sendFailed(error: MayflyError): void {
    this.#inFlight -= 1;
    if (this.#closed) return;
    if (!this.#failed) this.#options.onFailure(error);
    this.#failed = true;
    this.#next();
  }

  #next(): void {
    if (!this.#failed) {
      this.#pump();
    } else if (this.#inFlight === 0) {
      this.#options.clock.after(retryMs, () => {
        this.#failed = false;
        this.#sent = 0;
        this.#queue = this.#queue.filter(({ group }) => this.#options.wanted(group));
        this.#pump();
      });
    }
  }
}
