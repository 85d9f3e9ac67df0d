/** What the planner learns from one inventory to the next: how jobs grow, and how much of it nobody announced. Pure. */
import { type Reservation, reserveJob } from "./reserve-jobs.ts";
import type { JobMemory, ScaleInventory, ScaleJob, ScaleState, TimedAmount } from "./scale-inventory.ts";
import { horizonMs, type ScalePolicy } from "./scale-policy.ts";

/** Windows are kept as so many stretches. */
const stretches = 12;

/** The newest growth counts as much as all that was before. */
const newestShare = 0.5;

export interface Observation {
  readonly reservations: readonly Reservation[];
  readonly state: ScaleState;
}

/** Times that go backwards, after a change of clocks, count as no time. */
export function observeJobs(inventory: ScaleInventory, state: ScaleState, policy: ScalePolicy): Observation {
  const { nowMs } = inventory;
  const seconds = state.atMs === null ? 0 : Math.max(0, nowMs - state.atMs) / 1000;
  const beganAtMs = state.beganAtMs ?? nowMs;
  const before = new Map(state.jobs.map((memory) => [memory.job, memory]));
  let surprise = 0;
  const jobs: JobMemory[] = [];
  const reservations: Reservation[] = [];
  for (const job of inventory.jobs) {
    const last = before.get(job.job);
    if (last !== undefined) {
      const announced = reserveJob({ ...job, usedBytes: last.usedBytes }, last, nowMs, policy).hintedBytes;
      surprise += Math.max(0, job.usedBytes - Math.max(last.usedBytes, announced));
    } else {
      // One that had hinted nothing, and holds something when it is first seen.
      surprise += Math.max(0, job.usedBytes - reserveJob(job, undefined, nowMs, policy).hintedBytes);
    }
    const memory = remember(job, last, seconds, inventory.nowMs, policy);
    jobs.push(memory);
    reservations.push(reserveJob(job, memory, nowMs, policy));
  }
  // What there was before the first decision did not grow just now.
  const surprises = [
    ...since(state.surprises, nowMs - horizonMs(policy)),
    { atMs: nowMs, amount: state.atMs === null ? 0 : surprise },
  ];
  const within = surprises.reduce((sum, { amount }) => sum + amount, 0);
  const surprisePeaks = keepMost(state.surprisePeaks, nowMs, within, policy.headroomWindowMs);
  return { reservations, state: { ...state, atMs: nowMs, beganAtMs, jobs, surprises, surprisePeaks } };
}

function remember(
  job: ScaleJob,
  last: JobMemory | undefined,
  seconds: number,
  nowMs: number,
  policy: ScalePolicy,
): JobMemory {
  const { job: number, usedBytes } = job;
  if (last === undefined) {
    const grewAtMs = usedBytes > 0 ? nowMs : job.registeredAtMs;
    return { job: number, usedBytes, bytesPerSecond: 0, markBytes: usedBytes, grewAtMs };
  }
  const rate = seconds > 0 ? Math.max(0, usedBytes - last.usedBytes) / seconds : last.bytesPerSecond;
  const smoothed = newestShare * rate + (1 - newestShare) * last.bytesPerSecond;
  const { bytes = 0, functions = 0 } = job.hints;
  const step = Math.max(bytes, functions * policy.functionBytes) / 100;
  const grew = usedBytes > last.markBytes && usedBytes >= last.markBytes + step;
  return {
    job: number,
    usedBytes,
    bytesPerSecond: smoothed < 1 ? 0 : smoothed,
    markBytes: grew ? usedBytes : Math.min(last.markBytes, usedBytes),
    grewAtMs: grew ? nowMs : last.grewAtMs,
  };
}

/** The largest amount of each stretch of a window that ends now, with one more amount. */
export function keepMost(
  kept: readonly TimedAmount[],
  nowMs: number,
  amount: number,
  windowMs: number,
): TimedAmount[] {
  const stretchMs = Math.max(1, windowMs / stretches);
  const recent = since(kept, nowMs - windowMs - stretchMs);
  const last = recent.at(-1);
  if (last === undefined || nowMs - last.atMs >= stretchMs) return [...recent, { atMs: nowMs, amount }];
  return [...recent.slice(0, -1), { atMs: last.atMs, amount: Math.max(last.amount, amount) }];
}

export function most(amounts: readonly TimedAmount[]): number {
  return amounts.reduce((max, { amount }) => Math.max(max, amount), 0);
}

function since(amounts: readonly TimedAmount[], fromMs: number): TimedAmount[] {
  return amounts.filter(({ atMs }) => atMs > fromMs);
}
