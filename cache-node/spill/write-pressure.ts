/**
 * Holds writers back while memory fills faster than it empties into the object store: their shards are acknowledged later the
 * fuller the node is, and refused with BUSY before it is so full that cells, and refs that change, find no memory.
 */
import type { Clock } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { SpillMemory } from "./plan-spill.ts";

export interface WritePressureOptions {
  readonly clock: Clock;
  readonly memory: () => Pick<SpillMemory, "limitBytes" | "claimedBytes">;
  /** From here on writers are slowed down, */
  readonly slowRatio: number;
  /** and from here on shards are refused. */
  readonly fullRatio: number;
  /** Objects are being moved away: slowing down is of use. */
  readonly isSpilling: () => boolean;
  /** Why they are not, if something is wrong. */
  readonly failing: () => MayflyError | undefined;
  readonly storeUrl: () => string;
}

export const fullRatioDefault = 0.95;
const delayMsMax = 100;
const retryMsMin = 50;
const retryMsMax = 500;
/** The memory is measured anew after so long, or when so much of it was written. */
const measureMs = 20;
const measureShare = 1 / 128;

export class WritePressure {
  readonly #options: WritePressureOptions;
  #measured = { limitBytes: 1, claimedBytes: 0 };
  #measuredAtMs = Number.NEGATIVE_INFINITY;
  #sinceBytes = 0;

  constructor(options: WritePressureOptions) {
    this.#options = options;
  }

  /** Whether a shard of so many bytes may be stored now. */
  admits(bytes: number): boolean {
    this.#sinceBytes += bytes;
    return this.#fill() <= this.#options.fullRatio;
  }

  /** What a writer is told who is not admitted. */
  refusal(node: number, bytes: number): MayflyError {
    const { storeUrl, failing } = this.#options;
    const over = Math.min(
      1,
      Math.max(0, (this.#fill() - this.#options.fullRatio) / (1 - this.#options.fullRatio)),
    );
    const why = failing();
    const what =
      why === undefined
        ? `objects are moving to ${storeUrl()}; write slower, or give the fleet more memory`
        : `no room can be made, since ${storeUrl()} does not take objects (${why.message}); ` +
          "mend the store, delete something, or give the fleet more memory";
    const retryAfterMs = Math.round(retryMsMin + over * (retryMsMax - retryMsMin));
    return new MayflyError("BUSY", `Node ${node} is too full for a shard of ${bytes} bytes: ${what}.`, {
      retryAfterMs,
    });
  }

  /** So long a writer waits for its acknowledgement; 0 below the mark. */
  delayMs(): number {
    const { slowRatio, fullRatio, isSpilling } = this.#options;
    const over = (this.#fill() - slowRatio) / (fullRatio - slowRatio);
    if (over <= 0 || !isSpilling()) return 0;
    return Math.min(1, over) ** 2 * delayMsMax;
  }

  #fill(): number {
    const { clock, memory } = this.#options;
    const isOld = clock.now() - this.#measuredAtMs >= measureMs;
    if (isOld || this.#sinceBytes > this.#measured.limitBytes * measureShare) {
      this.#measured = memory();
      this.#measuredAtMs = clock.now();
      this.#sinceBytes = 0;
    }
    return (this.#measured.claimedBytes + this.#sinceBytes) / this.#measured.limitBytes;
  }
}
