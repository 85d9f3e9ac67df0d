import { describe, expect, test } from "vitest";
import { Stop, type StopSignal } from "../../../client/transport/stop.ts";

interface Stopper {
  readonly signal: StopSignal;
  readonly abort: (reason: unknown) => void;
}

/** Whatever takes a Stop takes a caller's AbortSignal as well: they must not differ in what is used of them. */
const stoppers: [string, () => Stopper][] = [
  [
    "a Stop",
    () => {
      const stop = new Stop();
      return { signal: stop, abort: (reason) => stop.abort(reason) };
    },
  ],
  [
    "an AbortSignal",
    () => {
      const controller = new AbortController();
      return { signal: controller.signal, abort: (reason) => controller.abort(reason) };
    },
  ],
];

describe.each(stoppers)("%s", (_, create) => {
  test("is not aborted until it is, and then tells why", () => {
    const { signal, abort } = create();
    expect([signal.aborted, signal.reason]).toEqual([false, undefined]);
    const reason = new RangeError("enough");
    abort(reason);
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toBe(reason);
  });

  test("calls its listeners once each, in the order of coming, when it says that it is aborted", () => {
    const { signal, abort } = create();
    const calls: unknown[] = [];
    const twice = (): void => void calls.push(["twice", signal.aborted, signal.reason]);
    signal.addEventListener("abort", twice, { once: true });
    signal.addEventListener("abort", () => calls.push("second"));
    signal.addEventListener("abort", twice, { once: true });
    expect(calls).toEqual([]);
    abort("why");
    expect(calls).toEqual([["twice", true, "why"], "second"]);
  });

  test("does not call who was removed, nor who comes too late", () => {
    const { signal, abort } = create();
    const calls: string[] = [];
    const removed = (): void => void calls.push("removed");
    signal.addEventListener("abort", removed);
    signal.addEventListener("abort", () => {
      calls.push("stays");
      signal.addEventListener("abort", () => calls.push("too late"));
    });
    signal.removeEventListener("abort", removed);
    signal.removeEventListener("abort", () => calls.push("never added"));
    abort("why");
    signal.addEventListener("abort", () => calls.push("too late"));
    abort("again");
    expect(calls).toEqual(["stays"]);
  });

  test("keeps its first reason, also when a listener gives another", () => {
    const { signal, abort } = create();
    let calls = 0;
    signal.addEventListener("abort", () => {
      calls++;
      abort("from a listener");
    });
    abort("first");
    abort("second");
    expect([signal.reason, calls]).toEqual(["first", 1]);
  });
});

test("a Stop may be aborted without a reason", () => {
  const stop = new Stop();
  stop.abort(undefined);
  stop.abort("later");
  expect([stop.aborted, stop.reason]).toEqual([true, undefined]);
});
