/**
 * One request after the other until one succeeds, is refused for good, or the call's deadline is near. Between two there is a pause:
 * a random part of a time that doubles ("full jitter"), so that those who failed together do not come back together.
 */
import { type Clock, type Rng, sleep } from "../../clock.ts";
import { MayflyError } from "../../errors.ts";
import { Limiter, type LimiterOptions } from "../limiter.ts";
import type { StoreCounts } from "../object-store.ts";
import { orAborted } from "../or-aborted.ts";
import { RequestSlots } from "../request-slots.ts";
import { type OpenCall, reasonOf } from "../store-calls.ts";
import { adviceOf, type Failure, failureOf, StalledRequest } from "./s3-errors.ts";
import { StallWatch } from "./stall-watch.ts";

export interface RequestOptions {
  /** As which it is counted; undefined for what costs nothing. */
  readonly counted: "puts" | "gets" | "heads" | "lists" | "deletes" | undefined;
  /** Bytes that it moves: with `counted` what takes about equally long. */
  readonly bytes?: number;
  /** Above the usual for requests that the server takes long over: nothing comes until it is done. */
  readonly stallMs?: number;
}

export interface Attempt {
  readonly watch: StallWatch;
  /** An earlier one had no answer that says that it did not happen. */
  readonly mayHaveHappened: boolean;
}

/** Rejects for good unless it gives another outcome. */
export type Recover<T> = (failure: Failure, mayHaveHappened: boolean) => Promise<T> | undefined;

export const stallMsDefault = 5000;
const stallMsMin = 250;
const stallMsMax = 60_000;
const pauseMsFirst = 50;
const pauseMsMax = 5000;
/** With less time than that left, nothing is begun. */
const lastTryMs = 20;
/** So often one and the same body does not get through by chance. */
const damagedMax = 6;

interface History {
  tries: number;
  stalls: number;
  damaged: number;
  last: Failure | undefined;
  mayHaveHappened: boolean;
}

export class S3Requests {
  readonly counts: { -readonly [K in keyof StoreCounts]: number } = {
    ...{ puts: 0, gets: 0, heads: 0, lists: 0, deletes: 0 },
    ...{ bytesWritten: 0, bytesRead: 0, retries: 0, throttled: 0 },
  };
  readonly #clock: Clock;
  readonly #rng: Rng;
  readonly #slots: RequestSlots;
  readonly #stallMs: number;

  constructor(clock: Clock, rng: Rng, limits?: LimiterOptions, stallMs: number = stallMsDefault) {
    this.#clock = clock;
    this.#rng = rng;
    this.#slots = new RequestSlots(clock, new Limiter(limits));
    this.#stallMs = stallMs;
  }

  /**
   * Whatever `send` throws is a failure of the request, but a MayflyError, which is passed on.
   * @throws MayflyError as ObjectStore says
   */
  async run<T>(
    call: OpenCall,
    options: RequestOptions,
    send: (attempt: Attempt) => Promise<T>,
    recover: Recover<T> = () => undefined,
  ): Promise<T> {
    const outcome = await this.#repeat(call, options, send, recover);
    outcome.watch?.end(true);
    return outcome.result;
  }

  /** Like `run`, for an answer whose body is still to come: the caller ends the watch, which is there unless `recover` gave the result. */
  async open<T>(
    call: OpenCall,
    options: RequestOptions,
    send: (attempt: Attempt) => Promise<T>,
    recover: Recover<T> = () => undefined,
  ): Promise<{ readonly result: T; readonly watch: StallWatch | undefined }> {
    return this.#repeat(call, options, send, recover);
  }

  async #repeat<T>(
    call: OpenCall,
    options: RequestOptions,
    send: (attempt: Attempt) => Promise<T>,
    recover: Recover<T>,
  ): Promise<{ result: T; watch: StallWatch | undefined }> {
    const history: History = { tries: 0, stalls: 0, damaged: 0, last: undefined, mayHaveHappened: false };
    for (;;) {
      const tried = await this.#attempt(call, options, history, send);
      if ("watch" in tried) return tried;
      const { failure } = tried;
      const isRepeated =
        failure.kind === "throttled" || failure.kind === "passing" || failure.kind === "damaged";
      if (!isRepeated) {
        const recovered = recover(failure, history.mayHaveHappened);
        if (recovered === undefined) throw finalError(call, failure);
        return { result: await recovered, watch: undefined };
      }
      history.mayHaveHappened ||= failure.mayHaveHappened;
      history.last = failure;
      history.tries += 1;
      if (failure.cause instanceof StalledRequest) history.stalls += 1;
      if (failure.kind === "damaged") history.damaged += 1;
      if (history.damaged >= damagedMax) throw damagedError(call, failure);
      await this.backOff(call, history.tries, failure);
    }
  }

  async #attempt<T>(
    call: OpenCall,
    { counted, bytes = 0, stallMs = 0 }: RequestOptions,
    history: History,
    send: (attempt: Attempt) => Promise<T>,
  ): Promise<{ result: T; watch: StallWatch } | { failure: Failure }> {
    const giveBack = await this.#slots.take(call).catch((thrown: unknown) => {
      throw overError(call, history.last) ?? thrown;
    });
    if (counted !== undefined) this.counts[counted] += 1;
    if (history.tries > 0) this.counts.retries += 1;
    const patienceMs = Math.max(this.#stallMs, stallMs) * 2 ** history.stalls;
    // Half of what is left, so that there is time for another one.
    const watchMs = Math.min(patienceMs, stallMsMax, Math.max(call.remainingMs() / 2, stallMsMin));
    const watch = new StallWatch(this.#clock, call, watchMs);
    try {
      const result = await orAborted(watch.signal, send({ watch, mayHaveHappened: history.mayHaveHappened }));
      const kind = `${counted} ${Math.ceil(Math.log2(bytes + 1) / 2)}`;
      giveBack({ outcome: "ok", kind, ...(watch.latencyMs !== undefined && { latencyMs: watch.latencyMs }) });
      return { result, watch };
    } catch (thrown) {
      const failure = failureOf(watch.signal.aborted ? watch.signal.reason : thrown);
      watch.end(false);
      const isThrottled = failure.kind === "throttled";
      if (isThrottled) this.counts.throttled += 1;
      giveBack({ outcome: isThrottled ? "throttled" : "failed" });
      if (call.signal.aborted) throw overError(call, history.last) ?? reasonOf(call.signal);
      if (thrown instanceof MayflyError) throw thrown;
      return { failure };
    }
  }

  /** The pause before a repetition. @throws MayflyError when there is no time for one */
  async backOff(call: OpenCall, tries: number, failure: Failure): Promise<void> {
    const remainingMs = call.remainingMs();
    if (remainingMs < lastTryMs) throw unavailableError(call, failure);
    const limitMs = Math.min(pauseMsMax, pauseMsFirst * 2 ** Math.min(tries - 1, 20), remainingMs / 2);
    try {
      await orAborted(call.signal, sleep(this.#clock, this.#rng.random() * limitMs));
    } catch (thrown) {
      throw overError(call, failure) ?? thrown;
    }
  }
}

/** A call whose time was over, and whose requests had failed before, says how. */
function overError(call: OpenCall, last: Failure | undefined): MayflyError | undefined {
  if (last === undefined || !call.signal.aborted) return undefined;
  if (reasonOf(call.signal).code !== "DEADLINE_EXCEEDED") return undefined;
  return last.kind === "damaged" ? damagedError(call, last) : unavailableError(call, last);
}

function unavailableError({ what }: OpenCall, { reason, cause }: Failure): MayflyError {
  return new MayflyError(
    "STORE_UNAVAILABLE",
    `${what} did not work until its deadline. The last that went wrong: ${reason}`,
    { cause },
  );
}

function damagedError({ what }: OpenCall, { reason, cause }: Failure): MayflyError {
  return new MayflyError("DAMAGED", `${what}: the bytes do not come through as they were sent. ${reason}`, {
    cause,
  });
}

function finalError(call: OpenCall, failure: Failure): MayflyError {
  const { reason, cause } = failure;
  const error = (code: "NOT_FOUND" | "KEY_EXISTS" | "TOO_LARGE" | "STORE_REFUSED", why: string) =>
    new MayflyError(code, `${call.what}: ${why}`, { cause });
  switch (failure.kind) {
    case "absent":
      return error("NOT_FOUND", "there is no such object.");
    case "condition":
      return error("KEY_EXISTS", "there is an object of the name already.");
    case "too-large":
      return error("TOO_LARGE", `the store does not take objects of that size: ${reason}`);
    default:
      return error("STORE_REFUSED", `${reason}. ${adviceOf(failure)}`);
  }
}
