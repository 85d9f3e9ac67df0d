/**
 * The stream of effects from this primary to one other member of its rows, in order and pipelined: what is logged in one
 * turn of the event loop goes in one request. After a failure everything that is not acknowledged is sent again, and the
 * member skips what it has. A group whose effects it refuses, since what it has of the group does not lead up to them,
 * gets a snapshot, and then goes on with what was logged behind that.
 */
import type { Clock } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { Group } from "../../src/ids.ts";
import { effectsPerBatchMax } from "../../src/wire/cell.ts";

/** All that a group holds at a position of its log, as encoded `snapshot` effects. */
export interface GroupSnapshot {
  readonly position: number;
  readonly pieces: readonly Uint8Array[];
}

export interface BackupLinkOptions {
  readonly clock: Clock;
  /** Calls back at the end of the turn; see src/end-of-turn.ts. */
  readonly atEndOfTurn: (run: () => void) => void;
  /** Sends encoded effects in one batch; answers which groups were refused, and rejects when the batch was not taken. */
  readonly send: (encoded: readonly Uint8Array[]) => Promise<readonly Group[]>;
  readonly snapshot: (group: Group) => GroupSnapshot;
  /** The member has everything up to the position. */
  readonly onAcknowledged: (group: Group, position: number) => void;
  /** Told of each failure of a batch, so that an older or newer map can be exchanged. */
  readonly onFailure: (error: MayflyError) => void;
}

interface Item {
  readonly group: Group;
  /** That of the group's stream when it was queued: a snapshot begins a new one. */
  readonly attempt: number;
  readonly encoded: Uint8Array;
  /** What the member has once it has this; 0 for a piece of a snapshot that is not the last. */
  readonly position: number;
  /** Whether it is a piece of a snapshot. */
  readonly snapshot: boolean;
  /** The member has answered. */
  answered: boolean;
}

interface Stream {
  attempt: number;
  /** Nothing is queued until a snapshot is. */
  waits: boolean;
}

const batchesInFlightMax = 8;
const batchBytesMax = 256 * 1024;
const retryMs = 50;
/** Snapshots that are queued at once; what they hold is copied. */
const snapshotBytesMax = 4 * 1024 * 1024;

export class BackupLink {
  readonly #options: BackupLinkOptions;
  readonly #streams = new Map<Group, Stream>();
  /** Not yet acknowledged, oldest first; the first `#sent` of them are under way. */
  #queue: Item[] = [];
  #sent = 0;
  #inFlight = 0;
  #failed = false;
  #scheduled = false;
  #closed = false;
  /** Groups that wait for their snapshot to be taken. */
  readonly #wanting = new Set<Group>();
  #snapshotBytes = 0;
  #attempts = 0;
  /** Whether items are queued that nobody needs any more. */
  #outdated = false;
  readonly #pumpNow = (): void => {
    this.#scheduled = false;
    this.#queueSnapshots();
    this.#pump();
  };

  constructor(options: BackupLinkOptions) {
    this.#options = options;
  }

  get backlog(): number {
    return this.#queue.length;
  }

  has(group: Group): boolean {
    return this.#streams.has(group);
  }

  /** Begins a stream anew. @param fromSnapshot the member has nothing of the group yet */
  open(group: Group, fromSnapshot: boolean): void {
    if (this.#streams.has(group)) this.#outdated = true;
    this.#streams.set(group, { attempt: ++this.#attempts, waits: fromSnapshot });
    this.#wanting.delete(group);
    if (fromSnapshot) this.#want(group);
  }

  /** The member has no part in the group any more. */
  drop(group: Group): void {
    if (this.#streams.delete(group)) this.#outdated = true;
    this.#wanting.delete(group);
  }

  push(group: Group, encoded: Uint8Array, position: number): void {
    const stream = this.#streams.get(group);
    if (this.#closed || stream === undefined || stream.waits) return;
    this.#queue.push({ group, attempt: stream.attempt, encoded, position, snapshot: false, answered: false });
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
    this.#streams.clear();
    this.#wanting.clear();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#options.atEndOfTurn(this.#pumpNow);
  }

  #isCurrent(item: Item): boolean {
    return this.#streams.get(item.group)?.attempt === item.attempt;
  }

  #want(group: Group): void {
    this.#wanting.add(group);
    this.#schedule();
  }

  /** The member refused: what it has does not lead up to what was sent. A snapshot does, unless it was one. */
  #startOver(item: Item): void {
    const { group, snapshot } = item;
    const attempt = ++this.#attempts;
    this.#streams.set(group, { attempt, waits: true });
    this.#outdated = true;
    if (!snapshot) this.#want(group);
    else {
      this.#options.clock.after(retryMs, () => {
        if (this.#streams.get(group)?.attempt === attempt) this.#want(group);
      });
    }
  }

  /** Takes out of the queue what is of no use, of what is not under way. */
  #dropOutdated(): void {
    this.#outdated = false;
    const kept = this.#queue.slice(0, this.#sent);
    for (const item of this.#queue.slice(this.#sent)) {
      if (item.answered) continue;
      if (this.#isCurrent(item)) kept.push(item);
      else this.#leave(item);
    }
    this.#queue = kept;
  }

  /** An item leaves the queue. */
  #leave(item: Item): void {
    if (!item.snapshot) return;
    this.#snapshotBytes -= item.encoded.length;
    if (this.#wanting.size > 0) this.#schedule();
  }

  #queueSnapshots(): void {
    for (const group of this.#wanting) {
      if (this.#closed || this.#snapshotBytes >= snapshotBytesMax) return;
      this.#wanting.delete(group);
      const stream = this.#streams.get(group);
      if (stream === undefined) continue;
      stream.waits = false;
      const { position, pieces } = this.#options.snapshot(group);
      for (const [at, encoded] of pieces.entries()) {
        const last = at === pieces.length - 1;
        this.#snapshotBytes += encoded.length;
        const { attempt } = stream;
        const upTo = last ? position : 0;
        this.#queue.push({ group, attempt, encoded, position: upTo, snapshot: true, answered: false });
      }
    }
  }

  #pump(): void {
    if (this.#outdated) this.#dropOutdated();
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
        (refused) => this.#answered(batch, refused),
        (error: unknown) => this.#sendFailed(MayflyError.from(error)),
      );
    }
  }

  #nextBatch(): Item[] {
    let bytes = 0;
    let end = this.#sent;
    while (end < this.#queue.length && end - this.#sent < effectsPerBatchMax && bytes < batchBytesMax) {
      bytes += this.#queue[end++]!.encoded.length;
    }
    return this.#queue.slice(this.#sent, end);
  }

  /** Behind a failure nothing counts as taken. */
  #answered(batch: readonly Item[], refused: readonly Group[]): void {
    this.#inFlight -= 1;
    if (this.#closed) return;
    if (!this.#failed) {
      for (const item of batch) {
        item.answered = true;
        this.#leave(item);
        if (!this.#isCurrent(item)) continue;
        if (refused.length > 0 && refused.includes(item.group)) this.#startOver(item);
        else if (item.position > 0) this.#options.onAcknowledged(item.group, item.position);
      }
      this.#dropAnswered();
    }
    this.#next();
  }

  /** Answers mostly come in the order of sending. */
  #dropAnswered(): void {
    let count = 0;
    while (count < this.#sent && this.#queue[count]!.answered) count += 1;
    this.#queue.splice(0, count);
    this.#sent -= count;
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
        this.#outdated = true;
        this.#pump();
      });
    }
  }
}
