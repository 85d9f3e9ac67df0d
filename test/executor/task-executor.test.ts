/** What is run again, and when, with functions that the test plays. */
import { expect, onTestFinished, test } from "vitest";
import { seededRng } from "../../src/clock.ts";
import { type ErrorCode, MayflyError } from "../../src/errors.ts";
import { type Backend, CallRefused, type FunctionCall } from "../../src/executor/backend.ts";
import { TaskExecutor, type TaskOptions } from "../../src/executor/task-executor.ts";
import { FakeClock } from "../controller/fake-clock.ts";

interface Played extends FunctionCall {
  stopped: boolean;
  answer(result: unknown): void;
  fail(code: ErrorCode, message?: string): void;
  refuse(): void;
  report(report: Record<string, number>): void;
}

const handler = { module: "file:///map.js", name: "map" };

function createExecutor(slots: number, options: TaskOptions = {}) {
  const clock = new FakeClock();
  const calls: Played[] = [];
  const backend: Backend = {
    slots,
    start(call, report) {
      let played: Played | undefined;
      const result = new Promise<unknown>((resolve, reject) => {
        const fail = (code: ErrorCode, message = "as the test says"): void =>
          reject(new MayflyError(code, message));
        const refuse = (): void => reject(new CallRefused("BUSY", "no place"));
        played = { ...call, stopped: false, answer: resolve, fail, refuse, report };
        calls.push(played);
      });
      const stop = (): void => {
        played!.stopped = true;
        played!.fail("TASK_FAILED", "ended with its process: SIGKILL");
      };
      return { result, stop };
    },
    close: async () => {},
  };
  const executor = new TaskExecutor({ backend, clock, rng: seededRng(7), ...options });
  onTestFinished(() => executor.close());
  const run = (event: unknown): Promise<unknown> => {
    const running = executor.run(handler, event);
    // It may fail before the test looks.
    running.catch(() => undefined);
    return running;
  };
  /** Runs that take so long, so that it is known what is usual. */
  const learn = async (ms: number): Promise<void> => {
    for (let i = 0; i < 3; i++) {
      const done = run("learn");
      await clock.advance(ms);
      calls.at(-1)!.answer(0);
      await done;
    }
    calls.splice(0);
  };
  return { executor, clock, calls, run, learn, events: () => calls.map(({ event }) => event) };
}

test("results come in the order of the events, and each is told as it comes", async () => {
  const { executor, calls, clock } = createExecutor(2);
  const told: unknown[] = [];
  const all = executor.map(handler, ["a", "b", "c"], {
    onResult: (index, result) => told.push([index, result]),
  });
  calls[1]!.answer("B");
  await clock.advance(0);
  calls[2]!.answer("C");
  calls[0]!.answer("A");
  expect(await all).toEqual(["A", "B", "C"]);
  expect(told).toEqual(
    expect.arrayContaining([
      [1, "B"],
      [2, "C"],
      [0, "A"],
    ]),
  );
  expect(told[0]).toEqual([1, "B"]);
});

test("what may pass is run again, before what waits; what does not is the error", async () => {
  const { calls, clock, run, events } = createExecutor(1);
  const [first, second] = [run(1), run(2)];
  calls[0]!.fail("UNAVAILABLE");
  await clock.advance(0);
  await clock.advance(99);
  expect(calls).toHaveLength(1);
  await clock.advance(101);
  calls[1]!.fail("TASK_FAILED");
  await clock.advance(0);
  calls[2]!.answer("one");
  expect(await first).toBe("one");
  await clock.advance(0);
  calls[3]!.fail("LOST");
  await expect(second).rejects.toMatchObject({ code: "LOST" });
  expect(events()).toEqual([1, 1, 1, 2]);
  expect(new Set(calls.map(({ attempt }) => attempt)).size).toBe(4);
});

test("after so many failures a function has failed, with what passes by itself as it was", async () => {
  const { calls, clock, run } = createExecutor(1, { attemptsMax: 2 });
  const [dies, waits] = [run("dies"), run("waits")];
  for (let i = 0; i < 2; i++) {
    calls.at(-1)!.fail("TASK_FAILED", "ended with its process: SIGSEGV");
    await clock.advance(0);
  }
  await expect(dies).rejects.toMatchObject({
    code: "TASK_FAILED",
    message: expect.stringMatching(/map failed 2 times.*SIGSEGV/),
  });
  for (let i = 0; i < 2; i++) {
    calls.at(-1)!.fail("BUSY", "no memory");
    await clock.advance(0);
    await clock.advance(200);
  }
  await expect(waits).rejects.toMatchObject({ code: "BUSY", message: "no memory" });
});

test("when a function of a map fails for good the others are cancelled: none is started, those that run are stopped", async () => {
  const { executor, calls, clock, run, events } = createExecutor(2);
  const told: number[] = [];
  const all = executor.map(handler, ["a", "b", "c", "d"], { onResult: (index) => told.push(index) });
  const other = run("of somebody else");
  calls[0]!.answer("A");
  await clock.advance(0);
  calls[2]!.fail("LOST");
  await expect(all).rejects.toMatchObject({ code: "LOST" });
  expect(calls[1]!.stopped).toBe(true);
  await clock.advance(0);
  expect(events()).toEqual(["a", "b", "c", "of somebody else"]);
  calls[3]!.answer("done");
  expect(await other).toBe("done");
  expect(told).toEqual([0]);
  // Both places are free.
  void run(1);
  void run(2);
  expect(calls).toHaveLength(6);
});

test("a map whose caller throws on a result is cancelled, too", async () => {
  const { executor, calls, clock } = createExecutor(1);
  const all = executor.map(handler, ["a", "b"], {
    onResult: () => {
      throw new RangeError("no more");
    },
  });
  calls[0]!.answer("A");
  await expect(all).rejects.toMatchObject({ code: "INTERNAL", message: "no more" });
  await clock.advance(0);
  expect(calls.slice(1).map(({ stopped }) => stopped)).toEqual([true]);
});

test("an attempt that takes too long is ended, and run again", async () => {
  const { calls, clock, run } = createExecutor(1, { attemptsMax: 2, timeLimitMs: 1000 });
  const running = run(1);
  await clock.advance(999);
  expect(calls[0]!.stopped).toBe(false);
  await clock.advance(1);
  expect([calls[0]!.stopped, calls.length]).toEqual([true, 2]);
  await clock.advance(1000);
  await expect(running).rejects.toMatchObject({
    code: "TASK_FAILED",
    message: expect.stringMatching(/failed 2 times; the last time it took longer than 1000 ms/),
  });
});

test("a call that the platform refuses is no failed attempt: it is tried again, later and later, in its place", async () => {
  const { calls, clock, run, events } = createExecutor(2, { attemptsMax: 1 });
  const [busy, other] = [run("busy"), run("other")];
  void run("waits");
  const atMs: number[] = [];
  for (let times = 0; times < 8; times++) {
    calls.at(times === 0 ? 0 : -1)!.refuse();
    const [count, sinceMs] = [calls.length, clock.now()];
    while (calls.length === count && clock.now() - sinceMs < 10_000) await clock.advance(10);
    atMs.push(clock.now() - sinceMs);
  }
  expect(events()).toEqual(["busy", "other", ...new Array<string>(8).fill("busy")]);
  const longest = [200, 400, 800, 1600, 3200, 5000, 5000, 5000];
  for (const [at, ms] of atMs.entries()) {
    expect(ms, `wait ${at}`).toBeLessThanOrEqual(longest[at]! + 10);
    expect(ms, `wait ${at}`).toBeGreaterThanOrEqual(longest[at]! / 2);
  }
  calls.at(-1)!.answer("done");
  expect(await busy).toBe("done");
  calls[1]!.answer("done");
  expect(await other).toBe("done");
});

test("what is refused for too long has failed, and so has what is refused when the executor closes", async () => {
  const { executor, calls, clock, run } = createExecutor(1, { refusedMaxMs: 1000 });
  const refused = run(1);
  for (let rounds = 0; calls.at(-1)!.event === 1 && rounds < 20; rounds++) {
    calls.at(-1)!.refuse();
    await clock.advance(1000);
    if (rounds === 0) void run(2).catch(() => undefined);
  }
  await expect(refused).rejects.toMatchObject({ code: "BUSY", message: "no place" });
  calls.at(-1)!.answer("done");
  const closed = run(3);
  calls.at(-1)!.refuse();
  await clock.advance(0);
  await executor.close();
  await expect(closed).rejects.toMatchObject({ code: "CLOSED" });
  const count = calls.length;
  await clock.advance(10_000);
  expect(calls).toHaveLength(count);
});

test("a second attempt that is refused is tried again after a while, as long as the first one runs", async () => {
  const { calls, clock, run, learn } = createExecutor(2, { speculate: true });
  await learn(100);
  const slow = run("slow");
  await clock.advance(500);
  expect(calls).toHaveLength(2);
  calls[1]!.refuse();
  await clock.advance(90);
  expect(calls).toHaveLength(2);
  await clock.advance(300);
  expect(calls).toHaveLength(3);
  calls[2]!.refuse();
  await clock.advance(0);
  calls[0]!.answer("done");
  expect(await slow).toBe("done");
  // Both places are free again.
  const more = [run(1), run(2)];
  expect(calls).toHaveLength(5);
  for (const call of calls.slice(3)) call.answer("ok");
  await Promise.all(more);
  await clock.advance(10_000);
  expect(calls).toHaveLength(5);
});

test("a straggler runs twice when there is nothing else to run; the first result counts, and ends the other", async () => {
  const { calls, clock, run, learn } = createExecutor(2, { speculate: true });
  await learn(400);
  const slow = run("slow");
  await clock.advance(790);
  expect(calls).toHaveLength(1);
  await clock.advance(210);
  expect(calls.map(({ event }) => event)).toEqual(["slow", "slow"]);
  await clock.advance(5000);
  expect(calls).toHaveLength(2);
  calls[1]!.answer("second");
  expect(await slow).toBe("second");
  expect(calls[0]!.stopped).toBe(true);
  await clock.advance(0);
  // Both places are free again.
  const more = [run(1), run(2)];
  expect(calls).toHaveLength(4);
  for (const call of calls.slice(2)) call.answer("ok");
  await Promise.all(more);
});

test("when one of two attempts fails the other goes on", async () => {
  const { calls, clock, run, learn } = createExecutor(2, { speculate: true });
  await learn(100);
  const slow = run("slow");
  await clock.advance(500);
  expect(calls).toHaveLength(2);
  calls[0]!.fail("TASK_FAILED");
  await clock.advance(0);
  expect(calls).toHaveLength(2);
  calls[1]!.answer("done");
  expect(await slow).toBe("done");
});

test("without speculation nothing runs twice, and what is usual is needed to know a straggler", async () => {
  const plain = createExecutor(2);
  await plain.learn(100);
  void plain.run("slow");
  await plain.clock.advance(10_000);
  expect(plain.calls).toHaveLength(1);
  const first = createExecutor(2, { speculate: true });
  void first.run("slow");
  await first.clock.advance(10_000);
  expect(first.calls).toHaveLength(1);
});

test("with a share to fail attempts are ended at random points, and everything is done all the same", async () => {
  const { executor, calls, clock } = createExecutor(4, { failRate: 0.5 });
  const events = Array.from({ length: 100 }, (_, i) => i);
  const all = executor.map(handler, events);
  let over = false;
  void all.then(() => {
    over = true;
  });
  const answered = new Set<Played>();
  for (let rounds = 0; !over && rounds < 1000; rounds++) {
    const open = calls.filter((call) => !call.stopped && !answered.has(call));
    await clock.advance(100);
    for (const call of open) {
      if (call.stopped) continue;
      answered.add(call);
      call.answer(call.event);
    }
    await clock.advance(0);
  }
  expect(await all).toEqual(events);
  const ended = calls.filter(({ stopped }) => stopped).length;
  expect(ended).toBeGreaterThan(20);
  expect(calls.length).toBe(100 + ended);
});

test("progress of any attempt is told until there is a result; closing rejects what runs and what waits", async () => {
  const { executor, calls } = createExecutor(1);
  const reports: unknown[] = [];
  const running = executor.run(handler, 1, { onProgress: (report) => reports.push(report) });
  const waiting = executor.run(handler, 2);
  calls[0]!.report({ done: 5 });
  const both = Promise.allSettled([running, waiting]);
  await executor.close();
  calls[0]!.report({ done: 6 });
  expect(reports).toEqual([{ done: 5 }]);
  expect(await both).toMatchObject([{ reason: { code: "CLOSED" } }, { reason: { code: "CLOSED" } }]);
  await expect(executor.run(handler, 3)).rejects.toMatchObject({ code: "CLOSED" });
});
