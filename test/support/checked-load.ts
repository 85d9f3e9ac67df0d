/** Functions that write and read all the time and look at what they get: one writer a key, so each read has one right answer. */
import { onTestFinished } from "vitest";
import type { Job } from "../../client/job.ts";
import { MayflyError } from "../../src/errors.ts";
import { anyBytes } from "./written-keys.ts";

export interface CheckedLoad {
  /** Operations that ended as they should. */
  readonly operations: number;
  /** What went wrong, as text. */
  readonly failures: readonly string[];
  /** The longest that one operation took, in milliseconds. */
  readonly slowestMs: number;
  /** Stops, when what is under way has ended, and reads everything once more. */
  stop(): Promise<void>;
}

const cellBytes = 500;
const objectBytes = 300_000;
const timeoutMs = 20_000;

/** `cells` small values and `objects` larger ones, each written and read in turn without end. */
export function startLoad(job: Job, { cells = 24, objects = 4 } = {}): CheckedLoad {
  let stopped = false;
  const state = { operations: 0, failures: [] as string[], slowestMs: 0 };
  const newest = new Map<string, Buffer>();

  async function attempt(what: string, work: () => Promise<boolean>): Promise<void> {
    const beginMs = performance.now();
    try {
      if (await work()) state.operations += 1;
      else state.failures.push(`${what}: other bytes than were written`);
    } catch (thrown) {
      const { code, message } = MayflyError.from(thrown);
      state.failures.push(`${what}: ${code} ${message}`);
    }
    state.slowestMs = Math.max(state.slowestMs, performance.now() - beginMs);
  }

  const read = (key: string): Promise<void> =>
    attempt(`get ${key}`, async () => newest.get(key)!.equals(await job.get(key, { timeoutMs })));

  async function work(key: string, length: number): Promise<void> {
    while (!stopped) {
      const bytes = anyBytes(length);
      const failuresBefore = state.failures.length;
      await attempt(`put ${key}`, async () => {
        await job.put(key, bytes, { timeoutMs });
        newest.set(key, bytes);
        return true;
      });
      // Nobody knows what is there after a write that failed.
      if (state.failures.length > failuresBefore) return;
      await read(key);
    }
  }

  const keys = [
    ...Array.from({ length: cells }, (_, n) => ({ key: `load-cell-${n}`, length: cellBytes })),
    ...Array.from({ length: objects }, (_, n) => ({ key: `load-object-${n}`, length: objectBytes })),
  ];
  const workers = keys.map(({ key, length }) => work(key, length));
  const stop = async (): Promise<void> => {
    stopped = true;
    await Promise.all(workers);
    for (const key of newest.keys()) await read(key);
  };
  onTestFinished(() => {
    stopped = true;
  });
  return {
    get operations() {
      return state.operations;
    },
    get failures() {
      return state.failures;
    },
    get slowestMs() {
      return state.slowestMs;
    },
    stop,
  };
}
