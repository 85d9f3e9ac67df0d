/**
 * Keeps the memory of this node below its marks: takes the coldest objects of the groups that it leads, pack by pack, until there is
 * room. All primaries do so with theirs, and shards lie evenly on all nodes: what this one moves makes about as much room here as
 * the others make here with what they move.
 */
import type { Cancel, Rng } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { Group, JobNumber } from "../../src/ids.ts";
import type { SpillPreference } from "./plan-spill.ts";
import { planPack, planSpill, type SpillMemory, type SpillPack, type SpillPolicy } from "./plan-spill.ts";
import type { SpillCandidate, SpillQueue } from "./spill-queue.ts";
import { type PackOutcome, type WritePackOptions, writePack } from "./write-pack.ts";

export interface SpillerOptions extends Omit<WritePackOptions, "packBytes" | "wholeBytesMax"> {
  readonly rng: Rng;
  readonly policy: SpillPolicy;
  readonly queue: SpillQueue;
  readonly memory: () => Pick<SpillMemory, "limitBytes" | "claimedBytes">;
  readonly preferenceOf: (job: JobNumber) => SpillPreference;
  /** Of an object in the queue: nobody waits for its key, and nothing else moves it. */
  readonly mayGo: (candidate: SpillCandidate) => boolean;
  /** Whether clients work with this node. */
  readonly isInUse: () => boolean;
  /** Between a change of a ref and the freeing of the memory, at most. */
  readonly freedAfterMs: number;
  readonly onPack: (outcome: PackOutcome, left: ReadonlySet<Group>) => void;
}

const lookMs = 100;
const allMarks = { highRatio: 0, lowRatio: 0, urgentRatio: 0 } as const;
/** One is gathered while the other is written. */
const packsInFlight = 2;
const restFactor = 1;
const restMsMax = 500;
const backoffMsMin = 200;
const backoffMsMax = 10_000;
/** An object that could not be gathered, or was moved meanwhile. */
const objectRestMs = 3000;

interface Running {
  readonly job: JobNumber;
  readonly stop: AbortController;
  /** Groups that this node stopped leading meanwhile. */
  readonly left: Set<Group>;
}

export class Spiller {
  readonly #options: SpillerOptions;
  readonly #running = new Set<Running>();
  #cancel: Cancel | undefined;
  #spilling = false;
  #leavingBytes = 0;
  /** Packs that wait before the next one, for functions' sake. */
  #resting = 0;
  #failures = 0;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #failing: MayflyError | undefined;
  /** Everything that may go goes, and not only what makes room. */
  takesAll = false;
  #closed = false;

  constructor(options: SpillerOptions) {
    this.#options = options;
  }

  /** Why the last pack came to nothing; undefined while all goes well. */
  get failing(): MayflyError | undefined {
    return this.#failing;
  }

  /** Memory is above the mark, and objects are moved. */
  get spilling(): boolean {
    return this.#spilling;
  }

  get leavingBytes(): number {
    return this.#leavingBytes;
  }

  start(): void {
    const look = (): void => {
      this.#cancel = this.#options.clock.after(lookMs, look, true);
      this.pump();
    };
    look();
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
    for (const { stop } of this.#running) stop.abort(new MayflyError("ABORTED", "The node is closing."));
  }

  /** Nothing of it is to be found in the store soon. */
  jobEnded(job: JobNumber): void {
    const ended = new MayflyError("JOB_ENDED", `Job ${job} has ended: nothing of it is spilled.`);
    for (const running of this.#running) if (running.job === job) running.stop.abort(ended);
  }

  groupLeft(group: Group): void {
    for (const { left } of this.#running) left.add(group);
  }

  /** Looks whether something is to be done now. */
  pump(): void {
    const { clock, memory, queue, preferenceOf, mayGo } = this.#options;
    const policy = this.takesAll ? { ...this.#options.policy, ...allMarks } : this.#options.policy;
    while (!this.#closed && this.#running.size < packsInFlight) {
      const need = planSpill({ ...memory(), leavingBytes: this.#leavingBytes }, policy, this.#spilling);
      this.#spilling = need.spilling;
      if (!need.spilling || clock.now() < this.#notBeforeMs) return;
      const gently = !need.urgent && this.#options.isInUse();
      if (gently && this.#running.size + this.#resting > 0) return;
      const pack = planPack(queue.jobs(preferenceOf, mayGo), policy);
      if (pack === undefined) return;
      void this.#run(pack, gently);
    }
  }

  async #run(pack: SpillPack<SpillCandidate>, gently: boolean): Promise<void> {
    const { clock, policy, freedAfterMs, onPack } = this.#options;
    const running = { job: pack.job, stop: new AbortController(), left: new Set<Group>() };
    const beganMs = clock.now();
    this.#running.add(running);
    this.#leavingBytes += pack.storedBytes;
    for (const candidate of pack.objects) candidate.busy = true;
    const outcome = await writePack({ ...this.#options, ...policy }, pack, running.stop.signal);
    this.#running.delete(running);
    this.#settle(outcome);
    onPack(outcome, running.left);
    const leftBytes = outcome.spilled.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
    this.#leavingBytes -= pack.storedBytes - leftBytes;
    // From then on it is seen in the memory itself.
    clock.after(freedAfterMs, () => this.#leave(leftBytes), true);
    if (gently) this.#rest(Math.min(restMsMax, restFactor * (clock.now() - beganMs)));
    this.pump();
  }

  #leave(bytes: number): void {
    this.#leavingBytes -= bytes;
    this.pump();
  }

  #rest(delayMs: number): void {
    this.#resting += 1;
    this.#options.clock.after(
      delayMs,
      () => {
        this.#resting -= 1;
        this.pump();
      },
      true,
    );
  }

  #settle({ spilled, gone, failed, failure }: PackOutcome): void {
    const { clock, queue, rng } = this.#options;
    for (const { job, name, object } of [...spilled, ...gone]) queue.remove(job, name, object);
    if (failed.length > 0) {
      const wake = (): void => {
        for (const candidate of failed) candidate.busy = false;
      };
      clock.after(objectRestMs, wake, true);
    }
    const isInVain = spilled.length === 0 && gone.length === 0;
    if (!isInVain || failure === undefined) {
      this.#failures = 0;
      this.#failing = undefined;
      return;
    }
    if (failure.code === "ABORTED" || failure.code === "JOB_ENDED") return;
    this.#failing = failure;
    const backoffMs = Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    this.#notBeforeMs = clock.now() + backoffMs * (0.5 + rng.random());
  }
}
