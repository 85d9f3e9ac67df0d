/** Functions on Lambda's stand-in, with instances as real processes that talk to a real store, called through the AWS SDK. */
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { Executor } from "../../src/executor/executor.ts";
import type * as ExecutorEntry from "../../src/executor/index.ts";
import type { LambdaExecutorOptions } from "../../src/executor/lambda-executor.ts";
import { builtModuleUrl } from "../support/built-module.ts";
import { type InProcessFleet, startInProcessFleet } from "../support/in-process-fleet.ts";
import { type LambdaApi, startLambdaApi, throttled, useStandInCredentials } from "../support/lambda-api.ts";
import type { LambdaInstances } from "../support/lambda-instances.ts";

useStandInCredentials();
const entryUrl = builtModuleUrl("src/executor/index.js");
const program = (name: string): string => new URL(`programs/${name}`, import.meta.url).href;
const handler = (name: string) => ({ module: "words", name });

let fleet: InProcessFleet;
let api: LambdaApi;
let entry: typeof ExecutorEntry;
beforeAll(async () => {
  fleet = await startInProcessFleet({ nodes: 3 });
  api = await startLambdaApi();
  entry = (await import(entryUrl)) as typeof ExecutorEntry;
});
afterAll(async () => {
  await api?.stop();
  await fleet?.stop();
});

function deploy(name: string, options: { timeoutMs?: number; concurrency?: number; handler?: string } = {}) {
  return api.deploy(name, {
    ...{ module: program("lambda-handler.mjs"), timeoutMs: 30_000, concurrency: 3 },
    ...{ environment: { MAYFLY_EXECUTOR: entryUrl } },
    ...options,
  });
}

function createExecutor(
  functionName: string,
  ticket: string,
  options: Partial<LambdaExecutorOptions> = {},
): Executor {
  const executor = entry.createLambdaExecutor({
    ...{ functionName, ticket, concurrency: 3, region: "eu-north-1", endpoint: api.url },
    ...options,
  });
  onTestFinished(() => executor.close());
  return executor;
}

const texts = Array.from({ length: 24 }, (_, index) => ({ index, text: `the word of ${index % 3} the` }));

interface Counted {
  readonly index: number;
  readonly attempt: string;
  readonly pid: number;
}

test("a map runs on warm instances, and waits when Lambda has no more of them", async () => {
  const { ticket } = await fleet.createJob();
  const job = await fleet.connect(ticket);
  // More calls at a time than Lambda runs.
  const instances = deploy("count", { concurrency: 2 });
  const executor = createExecutor("count", ticket, { concurrency: 6, attemptsMax: 1 });
  api.failNext(throttled, throttled);
  const results = (await executor.map(handler("count"), texts)) as Counted[];

  expect(results.map(({ index }) => index)).toEqual(texts.map(({ index }) => index));
  // Nothing ran twice, though calls were refused.
  expect(await job.counter("started").value()).toBe(24);
  expect(new Set(results.map(({ attempt }) => attempt)).size).toBe(24);
  expect(new Set(results.map(({ pid }) => pid)).size).toBe(instances.coldStarts);
  expect(instances.coldStarts).toBeLessThanOrEqual(2);
  expect(api.mostAtATime).toBe(2);
  expect(api.invocations.length).toBeGreaterThanOrEqual(26);
  for (const { index, attempt } of results) {
    const counts: unknown = JSON.parse(String(await job.get(`${index}/${attempt}`)));
    expect(counts).toEqual({ the: 2, word: 1, of: 1, [String(index % 3)]: 1 });
  }
});

test("instances that are killed, errors of the service and broken connections cost an attempt each", async () => {
  const { ticket } = await fleet.createJob();
  const instances = deploy("die");
  const executor = createExecutor("die", ticket);
  api.failNext({ status: 500, type: "ServiceException", message: "Internal" }, "cut");
  const events = Array.from({ length: 3 }, (_, index) => ({ index }));
  expect(await executor.map(handler("dieOnce"), events)).toEqual([0, 1, 2]);
  // Each was killed once.
  expect(instances.coldStarts).toBeGreaterThanOrEqual(4);
});

test("a function that Lambda's time limit or the executor's ends is run again", async () => {
  const { ticket } = await fleet.createJob();
  const limited = deploy("limited", { timeoutMs: 1500 });
  expect(await createExecutor("limited", ticket).run(handler("hangOnce"), { index: 1 })).toBe(1);
  expect(limited.coldStarts).toBeGreaterThanOrEqual(2);
  const always = createExecutor("limited", ticket, { attemptsMax: 1 }).run(handler("hang"), {});
  await expect(always).rejects.toMatchObject({
    code: "TASK_FAILED",
    message: expect.stringMatching(
      /hang failed 1 times; .* longer than the 1\.50 s that Lambda function limited/,
    ),
  });

  const instances = deploy("unlimited");
  const impatient = createExecutor("unlimited", ticket, { timeLimitMs: 2500 });
  expect(await impatient.run(handler("hangOnce"), { index: 2 })).toBe(2);
  // Lambda goes on with what nobody waits for any more.
  expect(instances.running).toBeGreaterThanOrEqual(1);
});

test("a map that failed for good is over while Lambda still runs others of it", async () => {
  const { ticket } = await fleet.createJob();
  const job = await fleet.connect(ticket);
  const instances: LambdaInstances = deploy("fail");
  const executor = createExecutor("fail", ticket);
  const hanging = executor.run(handler("hang"), {});
  hanging.catch(() => undefined);
  await job.get("hangs", { waitMs: 20_000 });
  await expect(executor.map(handler("fails"), [1, 2, 3, 4, 5])).rejects.toMatchObject({ code: "NOT_FOUND" });
  await expect(executor.run({ module: "letters", name: "count" }, 1)).rejects.toMatchObject({
    ...{ code: "INVALID_ARGUMENT", message: expect.stringContaining("only: words") },
  });
  expect(instances.running).toBeGreaterThanOrEqual(1);
  await executor.close();
  await expect(hanging).rejects.toMatchObject({ code: "CLOSED" });
});

test("what is not deployed, and what cannot be started, is told of with what to do", async () => {
  const { ticket } = await fleet.createJob();
  const run = (name: string) => createExecutor(name, ticket).run(handler("count"), texts[0]);
  await expect(run("nowhere")).rejects.toMatchObject({
    ...{ code: "NOT_FOUND", message: expect.stringMatching(/nowhere .*Deploy it/) },
  });
  deploy("without-handler", { handler: "notAFunction" });
  await expect(run("without-handler")).rejects.toMatchObject({
    ...{ code: "INVALID_ARGUMENT", message: expect.stringMatching(/HandlerNotFound.*createLambdaHandler/) },
  });
});

test("the same handler runs in processes of this machine", async () => {
  const { ticket } = await fleet.createJob();
  const executor = entry.createLocalExecutor({
    ...{ workers: 2, ticket, modules: { words: program("word-functions.mjs") } },
  });
  onTestFinished(() => executor.close());
  const results = (await executor.map(handler("count"), texts.slice(0, 4))) as Counted[];
  expect(results.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
  expect(new Set(results.map(({ pid }) => pid)).size).toBeLessThanOrEqual(2);
});
