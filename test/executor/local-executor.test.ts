/** The executor with processes that the test plays: real ones are in test/integration. */
import { EventEmitter } from "node:events";
import { PassThrough } from "node:stream";
import { beforeEach, expect, test, vi } from "vitest";
import { systemClock, systemRng } from "../../src/clock.ts";
import type { FunctionCall } from "../../src/executor/backend.ts";
import type { ProcessBackendOptions, ReplyMessage } from "../../src/executor/process-backend.ts";

interface ForkOptions {
  readonly env: Record<string, string>;
  readonly execArgv: readonly string[];
}

class FakeChild extends EventEmitter {
  readonly stderr = new PassThrough();
  readonly calls: FunctionCall[] = [];
  readonly options: ForkOptions;
  killed = false;

  constructor(options: ForkOptions) {
    super();
    this.options = options;
  }

  send(call: FunctionCall): boolean {
    this.calls.push(call);
    return true;
  }

  kill(): boolean {
    this.killed = true;
    queueMicrotask(() => this.die(null, "SIGKILL"));
    return true;
  }

  answer(message: ReplyMessage): void {
    this.emit("message", message);
  }

  die(code: number | null, signal: string | null = null): void {
    this.emit("close", code, signal);
  }
}

const children: FakeChild[] = [];

vi.mock("node:child_process", () => ({
  fork: (_main: string, _args: readonly string[], options: ForkOptions) => {
    const child = new FakeChild(options);
    children.push(child);
    return child;
  },
}));

const local = await import("../../src/executor/local-executor.ts");

beforeEach(() => void children.splice(0));

const createLocalExecutor = (options: ProcessBackendOptions) =>
  local.createLocalExecutor({ ...options, clock: systemClock, rng: systemRng });

const handler = { module: "file:///map.js", name: "map" };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const code = (expected: string) => expect.objectContaining({ code: expected });

test("a function process gets its ticket and nothing else of the environment", async () => {
  const executor = createLocalExecutor({ workers: 1, ticket: "mf1.x", execArgv: ["--no-liftoff"] });
  const running = executor.run(handler, { n: 1 });
  expect(children[0]?.options.env).toEqual({ MAYFLY_TICKET: "mf1.x", PATH: "" });
  expect(children[0]?.options.execArgv).toEqual(["--no-liftoff"]);
  expect(children[0]?.calls).toEqual([{ handler, event: { n: 1 }, attempt: expect.any(String) }]);
  children[0]?.answer({ result: { done: true } });
  expect(await running).toEqual({ done: true });
});

test("a module that has a name is found by its URL", async () => {
  const executor = createLocalExecutor({
    ...{ workers: 1, ticket: "t", modules: { "word-count": "file:///word-count.js" } },
  });
  const running = executor.run({ module: "word-count", name: "map" }, 1);
  expect(children[0]?.calls[0]?.handler).toEqual({ module: "file:///word-count.js", name: "map" });
  children[0]?.answer({ result: "ok" });
  expect(await running).toBe("ok");
});

test("so many run at once, each process one at a time, in order, and processes are kept", async () => {
  const executor = createLocalExecutor({ workers: 2, ticket: "t" });
  const results = [1, 2, 3, 4].map((event) => executor.run(handler, event));
  expect(children).toHaveLength(2);
  const eventsOf = (child: FakeChild | undefined): unknown[] => child?.calls.map(({ event }) => event) ?? [];
  expect(children.map(eventsOf)).toEqual([[1], [2]]);
  children[1]?.answer({ result: "two" });
  await turn();
  expect(children.map(eventsOf)).toEqual([[1], [2, 3]]);
  children[0]?.answer({ result: "one" });
  await turn();
  children[0]?.answer({ result: "four" });
  children[1]?.answer({ result: "three" });
  expect(await Promise.all(results)).toEqual(["one", "two", "three", "four"]);
  const later = executor.run(handler, 5);
  expect(children).toHaveLength(2);
  children.find((child) => child.calls.at(-1)?.event === 5)?.answer({ result: 5 });
  expect(await later).toBe(5);
});

test("progress reaches the caller, and an error comes back with its code and refs", async () => {
  const executor = createLocalExecutor({ workers: 1, ticket: "t" });
  const reports: unknown[] = [];
  const running = executor.run(handler, 1, { onProgress: (report) => reports.push(report) });
  children[0]?.answer({ progress: { bytes: 5 } });
  children[0]?.answer({ progress: { bytes: 9 } });
  children[0]?.answer({ error: { code: "LOST", message: "gone", refs: ["mfr1.x"] } });
  await expect(running).rejects.toMatchObject({ code: "LOST", message: "gone", refs: ["mfr1.x"] });
  expect(reports).toEqual([{ bytes: 5 }, { bytes: 9 }]);
  // The process is still good.
  const next = executor.run(handler, 2);
  await turn();
  children[0]?.answer({ result: "ok" });
  expect(await next).toBe("ok");
});

test("a function whose process dies is run again, before what waits", async () => {
  const executor = createLocalExecutor({ workers: 1, ticket: "t" });
  const first = executor.run(handler, 1);
  const second = executor.run(handler, 2);
  children[0]?.die(null, "SIGKILL");
  await turn();
  expect(children[1]?.calls.map(({ event }) => event)).toEqual([1]);
  children[1]?.answer({ result: "one" });
  await turn();
  children[1]?.answer({ result: "two" });
  expect(await Promise.all([first, second])).toEqual(["one", "two"]);
});

test("after three deaths the function has failed, and the error says how it died", async () => {
  const executor = createLocalExecutor({ workers: 1, ticket: "t" });
  const failing = executor.run(handler, 1);
  failing.catch(() => undefined);
  const other = executor.run(handler, 2);
  for (let i = 0; i < 3; i++) {
    children[i]?.stderr.write(`${"x".repeat(5000)}FATAL: out of memory`);
    await turn();
    children[i]?.die(134);
    await turn();
  }
  await expect(failing).rejects.toMatchObject({
    code: "TASK_FAILED",
    message: expect.stringMatching(/Function map failed 3 times; .*: exit code 134 x+FATAL: out of memory$/),
  });
  await failing.catch((error: Error) => expect(error.message.length).toBeLessThan(2200));
  children[3]?.answer({ result: "fine" });
  expect(await other).toBe("fine");
});

test("an idle process that dies is replaced when it is needed", async () => {
  const executor = createLocalExecutor({ workers: 1, ticket: "t" });
  const first = executor.run(handler, 1);
  children[0]?.answer({ result: 1 });
  await first;
  children[0]?.die(0);
  const second = executor.run(handler, 2);
  expect(children).toHaveLength(2);
  children[1]?.answer({ result: 2 });
  expect(await second).toBe(2);
});

test("a process that cannot be sent to is ended, and its function runs elsewhere", async () => {
  const executor = createLocalExecutor({ workers: 1, ticket: "t" });
  const running = executor.run(handler, 1);
  children[0]?.emit("error", new Error("channel closed"));
  children[0]?.emit("error", new Error("channel closed"));
  expect(children[0]?.killed).toBe(true);
  await turn();
  expect(children).toHaveLength(2);
  // What the first one still says is nobody's result.
  children[0]?.answer({ result: "ghost" });
  children[1]?.answer({ result: "real" });
  expect(await running).toBe("real");
});

test("closing ends all processes, and rejects what runs and what waits", async () => {
  const executor = createLocalExecutor({ workers: 1, ticket: "t" });
  const running = executor.run(handler, 1);
  const waiting = executor.run(handler, 2);
  const rejected = Promise.all([
    expect(running).rejects.toThrow(code("CLOSED")),
    expect(waiting).rejects.toThrow(code("CLOSED")),
  ]);
  await executor.close();
  await rejected;
  expect(children.map(({ killed }) => killed)).toEqual([true]);
  await expect(executor.run(handler, 3)).rejects.toThrow(code("CLOSED"));
  expect(children).toHaveLength(1);
});
