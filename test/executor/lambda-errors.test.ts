/** What becomes of all that the Invoke API can answer, with the real AWS SDK and no function behind the API. */
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { ErrorCode } from "../../src/errors.ts";
import { CallRefused } from "../../src/executor/backend.ts";
import { LambdaBackend, type LambdaBackendOptions } from "../../src/executor/lambda-backend.ts";
import {
  type Failure,
  type LambdaApi,
  startLambdaApi,
  throttled,
  useStandInCredentials,
} from "../support/lambda-api.ts";

useStandInCredentials();
let api: LambdaApi;
beforeAll(async () => {
  api = await startLambdaApi();
});
afterAll(async () => await api.stop());

const call = { handler: { module: "words", name: "count" }, event: { text: "a b" }, attempt: "a1" };

function createBackend(options: Partial<LambdaBackendOptions> = {}): LambdaBackend {
  const backend = new LambdaBackend({
    ...{ functionName: "words", ticket: "mf1.t", concurrency: 4, region: "eu-north-1", endpoint: api.url },
    ...options,
  });
  onTestFinished(() => backend.close());
  return backend;
}

async function errorAfter(failure: Failure): Promise<unknown> {
  api.failNext(failure);
  return await createBackend()
    .start(call)
    .result.catch((error: unknown) => error);
}

const unhandled = (errorType: string, errorMessage: string): Failure => ({
  ...{ payload: JSON.stringify({ errorType, errorMessage, trace: [] }), functionError: "Unhandled" },
});
const failed = (status: number, type: string): Failure => ({ status, type, message: "so it is" });

test("a call is one request with the handler, the event, the attempt and the ticket, to the version asked for", async () => {
  const before = api.invocations.length;
  api.failNext({ payload: JSON.stringify({ result: { words: 2 } }) });
  const backend = createBackend({ qualifier: "live" });
  expect(await backend.start(call).result).toEqual({ words: 2 });
  const [request, ...more] = api.invocations.slice(before);
  expect(more).toEqual([]);
  expect(request).toMatchObject({ functionName: "words", qualifier: "live" });
  expect(JSON.parse(request!.payload)).toEqual({ ...call, ticket: "mf1.t" });
});

test("errors of functions come back whole, and a code that only a newer version knows is an internal error", async () => {
  const lost = { code: "LOST", message: "gone", refs: ["mfr1.x"] };
  expect(await errorAfter({ payload: JSON.stringify({ error: lost }) })).toMatchObject(lost);
  const newer = { code: "NEWER", message: "what is this", refs: [] };
  expect(await errorAfter({ payload: JSON.stringify({ error: newer }) })).toMatchObject({
    ...{ code: "INTERNAL", message: "what is this" },
  });
});

const refusals: readonly [number, string, ErrorCode][] = [
  [429, "TooManyRequestsException", "BUSY"],
  [502, "EC2ThrottledException", "UNAVAILABLE"],
  [502, "ENINotReadyException", "UNAVAILABLE"],
  [502, "ENILimitReachedException", "UNAVAILABLE"],
  [502, "SubnetIPAddressLimitReachedException", "UNAVAILABLE"],
  [502, "ResourceNotReadyException", "UNAVAILABLE"],
  [409, "SnapStartNotReadyException", "UNAVAILABLE"],
  [429, "SomethingNewException", "BUSY"],
];

test.each(refusals)("%i %s: Lambda did not run it, and may later", async (status, type, code) => {
  const before = api.invocations.length;
  const error = await errorAfter(failed(status, type));
  expect(error).toBeInstanceOf(CallRefused);
  expect(error).toMatchObject({ code, message: expect.stringContaining(`${type}: so it is`) });
  // The AWS SDK tried it once.
  expect(api.invocations.length).toBe(before + 1);
});

test("Lambda may say when to come back; a function that is being deployed is waited for", async () => {
  const busy = { ...(throttled as object), retryAfter: "2" } as Failure;
  expect(await errorAfter(busy)).toMatchObject({ retryAfterMs: 2000 });
  const state = (name: string): Failure => ({
    ...{ status: 409, type: "ResourceConflictException" },
    message: `The operation cannot be performed at this time. The function is currently in the following state: ${name}`,
  });
  expect(await errorAfter(state("Pending"))).toBeInstanceOf(CallRefused);
  const ofFailed = await errorAfter(state("Failed"));
  expect(ofFailed).not.toBeInstanceOf(CallRefused);
  expect(ofFailed).toMatchObject({ code: "INVALID_ARGUMENT" });
});

const errors: readonly [number, string, ErrorCode, RegExp][] = [
  [500, "ServiceException", "UNAVAILABLE", /so it is/],
  [502, "EC2UnexpectedException", "UNAVAILABLE", /so it is/],
  [408, "EFSMountTimeoutException", "UNAVAILABLE", /so it is/],
  [404, "ResourceNotFoundException", "NOT_FOUND", /function words .*Deploy it/],
  [403, "AccessDeniedException", "FORBIDDEN", /lambda:InvokeFunction/],
  [403, "UnrecognizedClientException", "UNAUTHENTICATED", /AWS_PROFILE/],
  [403, "ExpiredTokenException", "UNAUTHENTICATED", /AWS_PROFILE/],
  [413, "RequestTooLargeException", "TOO_LARGE", /job\.put/],
  [400, "InvalidRequestContentException", "INVALID_ARGUMENT", /InvalidRequestContentException/],
  [400, "InvalidParameterValueException", "INVALID_ARGUMENT", /InvalidParameterValueException/],
  [502, "KMSAccessDeniedException", "INVALID_ARGUMENT", /configuration/],
  [502, "InvalidSubnetIDException", "INVALID_ARGUMENT", /configuration/],
];

test.each(errors)("%i %s becomes %s", async (status, type, code, message) => {
  const before = api.invocations.length;
  const error = await errorAfter(failed(status, type));
  expect(error).not.toBeInstanceOf(CallRefused);
  expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  expect(api.invocations.length).toBe(before + 1);
});

test("a connection that breaks, a proxy's page and a port where nobody listens are what may pass", async () => {
  expect(await errorAfter("cut")).toMatchObject({ code: "UNAVAILABLE" });
  expect(await errorAfter({ status: 502, html: "<html>Bad gateway</html>" })).toMatchObject({
    code: "UNAVAILABLE",
  });
  const gone = await startLambdaApi();
  await gone.stop();
  const unreached = createBackend({ endpoint: gone.url }).start(call).result;
  await expect(unreached).rejects.toMatchObject({
    ...{ code: "UNAVAILABLE", message: expect.stringContaining("ECONNREFUSED") },
  });
});

const functionErrors: readonly [string, string, ErrorCode, RegExp][] = [
  [
    "Sandbox.Timedout",
    "RequestId: x Error: Task timed out after 3.00 seconds",
    "TASK_FAILED",
    /longer than the 3\.00 s/,
  ],
  [
    "",
    "2020-11-10T05:46:57.874Z x Task timed out after 3.07 seconds",
    "TASK_FAILED",
    /longer than the 3\.07 s/,
  ],
  [
    "Runtime.ExitError",
    "RequestId: x Error: Runtime exited with error: signal: killed",
    "TASK_FAILED",
    /signal: killed/,
  ],
  ["TypeError", "x is not a function", "TASK_FAILED", /TypeError: x is not a function/],
  [
    "Runtime.ImportModuleError",
    "Error: Cannot find module 'index'",
    "INVALID_ARGUMENT",
    /createLambdaHandler/,
  ],
  ["Runtime.HandlerNotFound", "index.handler is undefined", "INVALID_ARGUMENT", /createLambdaHandler/],
  ["Function.ResponseSizeTooLarge", "Response payload size exceeded maximum", "TOO_LARGE", /into the store/],
];

test.each(functionErrors)("a function that ends with %s: %s", async (type, text, code, message) => {
  expect(await errorAfter(unhandled(type, text))).toMatchObject({
    ...{ code, message: expect.stringMatching(message) },
  });
});

test("a Lambda function that is none of Mayfly's is told apart, and so is one whose error is no JSON", async () => {
  for (const payload of ["null", '"hello"', '{"statusCode":200}', '{"error":"no"}', ""]) {
    expect(await errorAfter({ payload })).toMatchObject({
      ...{ code: "INVALID_ARGUMENT", message: expect.stringContaining("createLambdaHandler") },
    });
  }
  const broken = await errorAfter({ payload: "<crash>", functionError: "Unhandled" });
  expect(broken).toMatchObject({ code: "TASK_FAILED" });
});
