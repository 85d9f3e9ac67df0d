import type { GenericKernels } from "./generic-repair.ts";
import { lossMatrix } from "./generic-repair.ts";
import type { Matrix } from "./gf256.ts";
import { createKernel, type Kernel } from "./kernel.ts";
import { describeLoss, type Loss, repairSteps } from "./steps.ts";

export interface RepairOptions {
  /** Loss patterns that are remembered, the least recently used going first; each may keep 100 KB of code. */
  readonly patternsMax: number;
  /** Stripe data repaired with one pattern before it gets a kernel of its own. */
  readonly specializeAfterBytes: number;
  /** Further stripe data of which that kernel does only a part, until V8 should have optimised it. */
  readonly warmBytes: number;
}

/**
 * Writing a kernel costs some 1 to 3 ms, which a kernel twice as fast as the generic one earns back within 16 MiB; the
 * optimised code is ready 3 to 25 ms later, the time of about 64 MiB.
 */
export const repairDefaults: RepairOptions = {
  patternsMax: 256,
  specializeAfterBytes: 16 * 1024 * 1024,
  warmBytes: 64 * 1024 * 1024,
};

/** Kernels with more terms cost more to compile than they can save: the generic ones are nearly as fast there. */
const termsMax = 256;

/** Shard bytes that a new kernel does of each stripe, unoptimised: enough to be noticed by V8, and some 50 us. */
const warmShardBytes = 4096;

interface Pattern {
  readonly loss: Loss;
  readonly matrix: Matrix;
  kernel: Kernel | undefined;
  /** Stripe data that was repaired with this pattern. */
  repairedBytes: number;
}

/** Chooses how to repair a loss: with generic kernels at first, with a kernel for just this loss when it recurs. */
export class RepairPatterns {
  readonly #patterns = new Map<number, Pattern>();
  readonly #d: number;
  readonly #p: number;
  readonly #memory: WebAssembly.Memory;
  readonly #generic: GenericKernels;
  readonly #options: RepairOptions;

  constructor(
    d: number,
    p: number,
    memory: WebAssembly.Memory,
    generic: GenericKernels,
    options: RepairOptions,
  ) {
    this.#d = d;
    this.#p = p;
    this.#memory = memory;
    this.#generic = generic;
    this.#options = options;
  }

  /** `lost` has 1 to p distinct shards in ascending order, at least one of them data. */
  repair(base: number, stride: number, length: number, lost: readonly number[]): void {
    const pattern = this.#pattern(lost);
    const { specializeAfterBytes, warmBytes } = this.#options;
    const repairedBytes = pattern.repairedBytes;
    pattern.repairedBytes += this.#d * length;
    if (pattern.kernel === undefined && repairedBytes >= specializeAfterBytes) {
      pattern.kernel = this.#specialize(pattern.loss);
    }
    let done = 0;
    if (pattern.kernel !== undefined) {
      const warm = repairedBytes >= specializeAfterBytes + warmBytes;
      done = warm ? length : Math.min(length, warmShardBytes);
      pattern.kernel(base, stride, done);
    }
    if (done < length) {
      this.#generic.repair(base + done, stride, length - done, pattern.loss, pattern.matrix);
    }
  }

  #specialize(loss: Loss): Kernel | undefined {
    const steps = repairSteps(loss);
    const terms = steps.reduce((sum, [, stepTerms]) => sum + stepTerms.length, 0);
    return terms > termsMax ? undefined : createKernel(steps, this.#memory);
  }

  #pattern(lost: readonly number[]): Pattern {
    // At most four shards below 255: a number is enough.
    const key = lost.reduce((sum, shard) => sum * 256 + shard + 1, 0);
    let pattern = this.#patterns.get(key);
    if (pattern === undefined) {
      const loss = describeLoss(this.#d, this.#p, lost);
      pattern = { loss, matrix: lossMatrix(loss), kernel: undefined, repairedBytes: 0 };
      if (this.#patterns.size >= this.#options.patternsMax) {
        for (const oldest of this.#patterns.keys()) {
          this.#patterns.delete(oldest);
          break;
        }
      }
    } else {
      this.#patterns.delete(key);
    }
    this.#patterns.set(key, pattern);
    return pattern;
  }
}
