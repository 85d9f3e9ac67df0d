/** Functions in processes of their own: they are run again when their process dies, and told of when it dies too often. */
import { expect, onTestFinished, test } from "vitest";
import { systemClock, systemRng } from "../../src/clock.ts";
import type { Executor, HandlerRef, RunOptions } from "../../src/executor/executor.ts";
import type { LocalExecutorOptions } from "../../src/executor/local-executor.ts";
import { builtModuleUrl } from "../support/built-module.ts";
import { startFleet } from "../support/fleet.ts";

const module = new URL("programs/functions.mjs", import.meta.url).href;
const handler = (name: string): HandlerRef => ({ module, name });

/** From the build: its processes run the file beside it. */
async function startExecutor(ticket: string, workers: number): Promise<Executor> {
  const { createLocalExecutor } = (await import(builtModuleUrl("src/executor/local-executor.js"))) as {
    createLocalExecutor: (options: LocalExecutorOptions) => Executor;
  };
  const executor = createLocalExecutor({ workers, ticket, clock: systemClock, rng: systemRng });
  onTestFinished(() => executor.close());
  return executor;
}

test("functions run in other processes, with their ticket and nothing else, and again when those are killed", async () => {
  const fleet = await startFleet(3);
  const { ticket, job: created } = await fleet.createJob({ code: { d: 1, p: 1 } });
  const job = await fleet.connect(ticket);
  const executor = await startExecutor(ticket, 2);
  const run = (name: string, event: unknown, options?: RunOptions) =>
    executor.run(handler(name), event, options);

  const facts = { pid: expect.any(Number), job: created.job, environment: ["MAYFLY_TICKET", "PATH"] };
  expect(await run("describe", { asked: 1 })).toEqual({ ...facts, event: { asked: 1 } });
  const pids = await Promise.all(Array.from({ length: 8 }, () => run("pidOf", {})));
  expect(new Set(pids).size).toBeLessThanOrEqual(2);
  expect(pids).not.toContain(process.pid);

  // It reports its pid and then waits for a key, in which it is killed once.
  const started: number[] = [];
  const sum = run("addWhenTold", { numbers: [1, 2, 3] }, { onProgress: ({ pid = 0 }) => started.push(pid) });
  await expect.poll(() => started.length).toBe(1);
  process.kill(started[0]!, "SIGKILL");
  await expect.poll(() => started.length).toBe(2);
  expect(started[1]).not.toBe(started[0]);
  await job.put("go", "now");
  expect(await sum).toBe(6);

  // A process that is killed while it has nothing to do is replaced without anybody noticing.
  const idle = (await run("pidOf", {})) as number;
  process.kill(idle, "SIGKILL");
  const after = await Promise.all([run("pidOf", {}), run("pidOf", {}), run("pidOf", {})]);
  expect(after).not.toContain(idle);

  await expect(run("dies", {})).rejects.toMatchObject({
    code: "TASK_FAILED",
    message: expect.stringMatching(/dies failed 3 times; the last time it ended with its process: .*SIGKILL/),
  });
  await expect(run("fails", {})).rejects.toMatchObject({ code: "NOT_FOUND" });
  await expect(run("missing", {})).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  const unfinished = run("addWhenTold", { numbers: [], key: "never" }).catch((error: unknown) => error);
  await executor.close();
  expect(await unfinished).toMatchObject({ code: "CLOSED" });
  await expect(run("pidOf", {})).rejects.toMatchObject({ code: "CLOSED" });
});
