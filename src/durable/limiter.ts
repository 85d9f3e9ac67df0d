/**
 * How many requests a store is sent at a time, and how many a second. It only decides: whoever asks gives the time.
 *
 * - Concurrency rises by one for each round of answers and falls when the store says that it is too much (by half), or when answers take
 *   more than twice as long as they usually do for requests of their kind (by a tenth). At most once for those that were under way
 *   together, since they all say the same.
 * - The rate has no limit until the store says SlowDown more than now and then: it does so for reasons of its own, too. Then it is half of
 *   what was sent in the last second, and rises by a fifth each second until it is so high that there may as well be none.
 *
 * Latency counts from the last byte sent to the first one received, so that large bodies do not look like slow answers. What is usual
 * is a slow average, and now is a fast one: the least one ever seen would not do, for a store's answers vary by
 * themselves (the limit "Gradient2" of Netflix's concurrency-limits).
 */
export interface LimiterOptions {
  readonly concurrencyMin: number;
  readonly concurrencyMax: number;
  readonly concurrencyStart: number;
}

export type RequestOutcome = "ok" | "throttled" | "failed";

export interface RequestSample {
  readonly startedAtMs: number;
  readonly outcome: RequestOutcome;
  /** Of what takes about equally long: operation and size. */
  readonly kind?: string;
  readonly latencyMs?: number;
}

interface Latency {
  usualMs: number;
  nowMs: number;
}

export const storeLimits: LimiterOptions = { concurrencyMin: 4, concurrencyMax: 64, concurrencyStart: 16 };
const slowRatio = 2;
/** Below that, a difference is chance. */
const slowExtraMs = 10;
const usualWeight = 1 / 500;
const nowWeight = 1 / 10;
const kindsMax = 100;
const ratePerSecondMin = 10;
/** No store that a process talks to answers that many: above it there is no limit. */
const ratePerSecondMax = 5000;
const raisePerSecond = 0.2;
/** Of the last answers, each of which counts for a twentieth: two of a few, or one of ten for long. */
const throttledShareMax = 0.09;
const throttledWeight = 1 / 20;
/** Requests that may leave at once after a pause, in seconds of the rate. */
const burstSeconds = 0.1;

export class Limiter {
  readonly #options: LimiterOptions;
  readonly #latencies = new Map<string, Latency>();
  #concurrency: number;
  #inFlight = 0;
  #loweredAtMs = Number.NEGATIVE_INFINITY;
  #slowedAtMs = Number.NEGATIVE_INFINITY;
  #rate = Number.POSITIVE_INFINITY;
  #throttledShare = 0;
  #tokens = 0;
  #tokensAtMs = 0;
  #secondAtMs = 0;
  #startsInSecond = 0;
  #startsInLastSecond = 0;

  constructor(options: LimiterOptions = storeLimits) {
    this.#options = options;
    this.#concurrency = options.concurrencyStart;
  }

  get concurrency(): number {
    return Math.floor(this.#concurrency);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Infinity when there is no limit. */
  get ratePerSecond(): number {
    return this.#rate;
  }

  /** Milliseconds until the next request may start: 0 is now, Infinity after another one has ended. */
  waitMs(nowMs: number): number {
    if (this.#inFlight >= this.concurrency) return Number.POSITIVE_INFINITY;
    this.#refill(nowMs);
    return this.#rate === Number.POSITIVE_INFINITY || this.#tokens >= 1
      ? 0
      : ((1 - this.#tokens) / this.#rate) * 1000;
  }

  start(nowMs: number): void {
    this.#refill(nowMs);
    this.#inFlight += 1;
    this.#tokens = Math.max(0, this.#tokens - 1);
    this.#countSecond(nowMs);
    this.#startsInSecond += 1;
  }

  /** Of each request that was started, once. */
  finish(nowMs: number, sample: RequestSample): void {
    // As long as there is no more to do, more would never be tried.
    const isUsed = this.#inFlight * 2 > this.concurrency;
    this.#inFlight -= 1;
    const share = sample.outcome === "throttled" ? 1 : 0;
    if (sample.outcome !== "failed") this.#throttledShare += (share - this.#throttledShare) * throttledWeight;
    if (sample.outcome === "throttled") {
      this.#slowDown(nowMs, sample.startedAtMs);
    } else if (sample.outcome === "ok") {
      if (this.#isSlow(sample)) this.#lower(nowMs, sample.startedAtMs, 0.9);
      else if (isUsed) this.#concurrency += 1 / this.#concurrency;
      this.#concurrency = Math.min(this.#concurrency, this.#options.concurrencyMax);
    }
  }

  #slowDown(nowMs: number, startedAtMs: number): void {
    this.#lower(nowMs, startedAtMs, 0.5);
    if (this.#throttledShare < throttledShareMax || startedAtMs <= this.#slowedAtMs) return;
    this.#refill(nowMs);
    this.#countSecond(nowMs);
    const sent = Math.max(this.#startsInSecond, this.#startsInLastSecond);
    this.#rate = Math.max(ratePerSecondMin, Math.min(this.#rate, sent) / 2);
    this.#slowedAtMs = nowMs;
    this.#tokens = 0;
    this.#tokensAtMs = nowMs;
  }

  #lower(nowMs: number, startedAtMs: number, factor: number): void {
    if (startedAtMs <= this.#loweredAtMs) return;
    this.#concurrency = Math.max(this.#options.concurrencyMin, this.#concurrency * factor);
    this.#loweredAtMs = nowMs;
  }

  #isSlow({ kind, latencyMs }: RequestSample): boolean {
    if (kind === undefined || latencyMs === undefined) return false;
    const latency = this.#latencies.get(kind);
    if (latency === undefined) {
      if (this.#latencies.size < kindsMax)
        this.#latencies.set(kind, { usualMs: latencyMs, nowMs: latencyMs });
      return false;
    }
    latency.nowMs += (latencyMs - latency.nowMs) * nowWeight;
    latency.usualMs += (latencyMs - latency.usualMs) * usualWeight;
    // What is usual was slow by chance when it was first seen: falling is learned quickly.
    if (latency.nowMs < latency.usualMs) latency.usualMs += (latency.nowMs - latency.usualMs) * nowWeight;
    return latency.nowMs > slowRatio * latency.usualMs + slowExtraMs;
  }

  #refill(nowMs: number): void {
    const seconds = Math.max(0, nowMs - this.#tokensAtMs) / 1000;
    this.#tokensAtMs = nowMs;
    if (this.#rate === Number.POSITIVE_INFINITY) return;
    this.#rate *= (1 + raisePerSecond) ** seconds;
    this.#tokens = Math.min(this.#tokens + seconds * this.#rate, Math.max(1, burstSeconds * this.#rate));
    if (this.#rate > ratePerSecondMax) this.#rate = Number.POSITIVE_INFINITY;
  }

  #countSecond(nowMs: number): void {
    if (nowMs - this.#secondAtMs < 1000) return;
    this.#startsInLastSecond = nowMs - this.#secondAtMs < 2000 ? this.#startsInSecond : 0;
    this.#startsInSecond = 0;
    this.#secondAtMs = nowMs;
  }
}
