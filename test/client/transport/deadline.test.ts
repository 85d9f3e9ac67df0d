import { expect, test } from "vitest";
import {
  checkDeadline,
  leftMs,
  overError,
  pause,
  startDeadline,
  timeoutMsMax,
  within,
} from "../../../client/transport/deadline.ts";
import { MayflyError } from "../../../src/errors.ts";
import { FakeClock } from "../../controller/fake-clock.ts";

const code = (expected: string) => expect.objectContaining({ code: expected });

test("a timeout outside its limits is refused, naming the call and the limit", () => {
  const clock = new FakeClock();
  for (const timeoutMs of [0, -1, Number.NaN, timeoutMsMax + 1, Number.POSITIVE_INFINITY]) {
    expect(() => startDeadline(clock, timeoutMs, undefined, "get(x)")).toThrow(code("INVALID_ARGUMENT"));
    expect(() => startDeadline(clock, timeoutMs, undefined, "get(x)")).toThrow(/get\(x\).*900000/);
  }
  expect(leftMs(startDeadline(clock, timeoutMsMax, undefined, "get(x)"))).toBe(timeoutMsMax);
});

test("a call that was aborted before it began is refused", () => {
  const signal = AbortSignal.abort(new Error("user went away"));
  expect(() => startDeadline(new FakeClock(), 10, signal, "get(x)")).toThrow(code("ABORTED"));
});

test("a call is over at its deadline, and says what it waited for last", async () => {
  const clock = new FakeClock();
  const deadline = startDeadline(clock, 100, undefined, "get(x)");
  await clock.advance(99);
  checkDeadline(deadline);
  expect(overError(deadline)).toBeUndefined();
  await clock.advance(1);
  const last = new MayflyError("MOVED", "3.4 not here");
  expect(() => checkDeadline(deadline, last)).toThrow(code("DEADLINE_EXCEEDED"));
  expect(() => checkDeadline(deadline, last)).toThrow(/get\(x\).*not here/);
  expect(overError(deadline, last)?.cause).toBe(last);
});

test("what was refused as busy until the end keeps its code and its hint", async () => {
  const clock = new FakeClock();
  const deadline = startDeadline(clock, 100, undefined, "get(x)");
  await clock.advance(100);
  const last = new MayflyError("QUOTA_EXCEEDED", "the job is full", { retryAfterMs: 70 });
  expect(overError(deadline, last)).toMatchObject({ code: "QUOTA_EXCEEDED", retryAfterMs: 70, cause: last });
});

test("a pause ends after its time, at the deadline, or when the call is aborted", async () => {
  const clock = new FakeClock();
  const abort = new AbortController();
  const deadline = startDeadline(clock, 100, abort.signal, "get(x)");
  const outcomes: string[] = [];
  const note = (name: string, work: Promise<unknown>): void => {
    work.then(
      () => outcomes.push(name),
      (error: unknown) => outcomes.push(`${name} ${MayflyError.from(error).code}`),
    );
  };
  note("short", pause(deadline, 40));
  note("long", pause(deadline, 500));
  await clock.advance(39);
  expect(outcomes).toEqual([]);
  await clock.advance(1);
  expect(outcomes).toEqual(["short"]);
  await clock.advance(60);
  expect(outcomes).toEqual(["short", "long DEADLINE_EXCEEDED"]);

  note("aborted", pause(startDeadline(clock, 100, abort.signal, "get(x)"), 50));
  abort.abort();
  await clock.advance(0);
  expect(outcomes.at(-1)).toBe("aborted ABORTED");
});

test("work within a deadline comes to what it comes to, or ends with the call", async () => {
  const clock = new FakeClock();
  const deadline = startDeadline(clock, 100, undefined, "get(x)");
  expect(await within(deadline, Promise.resolve(5))).toBe(5);
  await expect(within(deadline, Promise.reject(new RangeError("x")))).rejects.toThrow(RangeError);

  let finish = (_value: number): void => undefined;
  const slow = new Promise<number>((resolve) => {
    finish = resolve;
  });
  const waiting = within(deadline, slow);
  const late = expect(waiting).rejects.toThrow(code("DEADLINE_EXCEEDED"));
  await clock.advance(100);
  await late;
  // It goes on for others.
  finish(7);
  expect(await slow).toBe(7);

  const signal = AbortSignal.abort();
  await expect(within({ ...deadline, atMs: 1e9, signal }, slow)).rejects.toThrow(code("ABORTED"));
});
