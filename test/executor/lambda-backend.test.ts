/** What a call to Lambda is checked for before it is sent, and how it is given up. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { LambdaBackend, type LambdaBackendOptions } from "../../src/executor/lambda-backend.ts";
import { type LambdaApi, startLambdaApi, useStandInCredentials } from "../support/lambda-api.ts";
import { mainPath } from "../support/main-path.ts";

useStandInCredentials();
let api: LambdaApi;
beforeAll(async () => {
  api = await startLambdaApi();
});
afterAll(async () => await api.stop());

const call = { handler: { module: "words", name: "count" }, event: 1, attempt: "a1" };

function createBackend(options: Partial<LambdaBackendOptions> = {}): LambdaBackend {
  const backend = new LambdaBackend({
    ...{ functionName: "words", ticket: "mf1.t", concurrency: 4, region: "eu-north-1", endpoint: api.url },
    ...options,
  });
  onTestFinished(() => backend.close());
  return backend;
}

test("options that make no sense are told at once", () => {
  for (const concurrency of [0, -1, 1.5, Number.NaN, 10_001]) {
    expect(() => createBackend({ concurrency })).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  }
  expect(() => createBackend({ functionName: "" })).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENT" }),
  );
});

test("an event of 6 MiB is not sent, and neither is one that is no JSON", async () => {
  const before = api.invocations.length;
  const start = (event: unknown): Promise<unknown> => createBackend().start({ ...call, event }).result;
  await expect(start("x".repeat(6 * 1024 * 1024))).rejects.toMatchObject({
    ...{ code: "TOO_LARGE", message: expect.stringMatching(/6291\d+ bytes; .* 6291456\. .*job\.put/) },
  });
  // Bytes count, not characters.
  await expect(start("ä".repeat(3.2 * 1024 * 1024))).rejects.toMatchObject({ code: "TOO_LARGE" });
  await expect(start(1n)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(api.invocations.length).toBe(before);
  api.failNext({ payload: JSON.stringify({ result: "read" }) });
  expect(await start("x".repeat(6_200_000))).toBe("read");
});

test("a call that is stopped is given up at once, whether it is under way or not", async () => {
  const backend = createBackend();
  api.failNext("silence");
  const before = api.invocations.length;
  const running = backend.start(call);
  await vi.waitUntil(() => api.invocations.length === before + 1, { timeout: 15_000 });
  running.stop();
  await expect(running.result).rejects.toMatchObject({ code: "TASK_FAILED", message: "was given up" });
  const early = backend.start(call);
  early.stop();
  await expect(early.result).rejects.toMatchObject({ code: "TASK_FAILED", message: "was given up" });
  expect(api.invocations.length).toBe(before + 1);
});

test("closing gives up all calls", async () => {
  const backend = createBackend();
  api.failNext("silence", "silence");
  const before = api.invocations.length;
  const results = Promise.allSettled([backend.start(call).result, backend.start(call).result]);
  await vi.waitUntil(() => api.invocations.length === before + 2, { timeout: 15_000 });
  await backend.close();
  expect(await results).toMatchObject([
    { reason: { code: "TASK_FAILED" } },
    { reason: { code: "TASK_FAILED" } },
  ]);
});

test("as many calls are under way as the concurrency says, above the 50 of the AWS SDK", async () => {
  const backend = createBackend({ concurrency: 60 });
  api.failNext(...Array.from({ length: 60 }, () => "silence" as const));
  const before = api.invocations.length;
  const results = Promise.allSettled(Array.from({ length: 60 }, () => backend.start(call).result));
  await vi.waitUntil(() => api.invocations.length === before + 60, { timeout: 15_000 });
  await backend.close();
  await results;
});

test("without a region the error says how to give one", async () => {
  vi.stubEnv("AWS_REGION", undefined);
  vi.stubEnv("AWS_DEFAULT_REGION", undefined);
  vi.stubEnv("AWS_CONFIG_FILE", "/dev/null");
  const { region: _, ...options } = { ...{ functionName: "words", ticket: "t", concurrency: 1 }, region: "" };
  const backend = new LambdaBackend(options);
  onTestFinished(() => backend.close());
  await expect(backend.start(call).result).rejects.toMatchObject({
    ...{ code: "INVALID_ARGUMENT", message: expect.stringContaining("AWS_REGION") },
  });
});

test("without the AWS SDK the error says how to install it", () => {
  // The build, where no node_modules are above it.
  const dir = mkdtempSync(join(tmpdir(), "mayfly-without-sdk-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  cpSync(join(dirname(mainPath), "../executor"), join(dir, "executor"), { recursive: true });
  writeFileSync(join(dir, "package.json"), '{"type":"module"}');
  writeFileSync(
    join(dir, "main.js"),
    `import { createLambdaExecutor } from "./executor/index.js";
     const executor = createLambdaExecutor({ functionName: "words", ticket: "t", concurrency: 1 });
     await executor.run({ module: "words", name: "count" }, 1).catch(({ code, message }) => console.log(code, message));`,
  );
  const said = execFileSync(process.execPath, [join(dir, "main.js")], { encoding: "utf8" });
  expect(said).toMatch(/^INVALID_ARGUMENT .*npm install @aws-sdk\/client-lambda\n$/);
});
