/**
 * Functions on AWS Lambda: one synchronous invocation for each call, of a Lambda function that was deployed with
 * `createLambdaHandler`. Calls have no progress reports: an invocation answers once.
 */
import type * as LambdaSdk from "@aws-sdk/client-lambda";
import { MayflyError } from "../errors.ts";
import type { Backend, FunctionCall, RunningCall } from "./backend.ts";
import { fieldsOf, type LambdaCall, payloadBytesMax } from "./lambda-call.ts";
import { functionError, invokeError } from "./lambda-errors.ts";
import { type CallReply, resultOf } from "./run-call.ts";

export interface LambdaBackendOptions {
  /** Name or ARN of the Lambda function. */
  readonly functionName: string;
  /** Text form of the ticket; it goes with each call. */
  readonly ticket: string;
  /** Calls at a time, 1 to 10,000; each has a connection. */
  readonly concurrency: number;
  /** By default what the AWS SDK finds: AWS_REGION, or the profile. */
  readonly region?: string;
  /** URL of the API, for stand-ins and private endpoints. */
  readonly endpoint?: string;
  /** Version or alias. */
  readonly qualifier?: string;
}

const concurrencyMax = 10_000;
const connectTimeoutMs = 10_000;
/** No function of Lambda takes longer than 15 minutes; then there is the time to start it. */
const answerTimeoutMs = 16 * 60_000;

interface Invoker {
  readonly client: LambdaSdk.LambdaClient;
  readonly InvokeCommand: typeof LambdaSdk.InvokeCommand;
}

export class LambdaBackend implements Backend {
  readonly slots: number;
  readonly #options: LambdaBackendOptions;
  readonly #running = new Set<AbortController>();
  #invoker: Promise<Invoker> | undefined;

  /** @throws MayflyError INVALID_ARGUMENT */
  constructor(options: LambdaBackendOptions) {
    const { concurrency, functionName } = options;
    if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > concurrencyMax) {
      throw new MayflyError(
        "INVALID_ARGUMENT",
        `concurrency is ${concurrency}; it must be a whole number from 1 to ${concurrencyMax}.`,
      );
    }
    if (functionName === "") throw new MayflyError("INVALID_ARGUMENT", "functionName is empty.");
    this.slots = concurrency;
    this.#options = options;
  }

  /**
   * `stop` gives up the request. Lambda has no means to end what it runs: the function goes on until it returns or
   * its time limit ends it. What it does is harmless where it is written under the name of its attempt.
   */
  start(call: FunctionCall): RunningCall {
    const aborter = new AbortController();
    this.#running.add(aborter);
    const result = this.#invoke(call, aborter.signal).finally(() => this.#running.delete(aborter));
    return { result, stop: () => aborter.abort() };
  }

  async close(): Promise<void> {
    for (const aborter of this.#running) aborter.abort();
    // It may be missing; whoever called has heard of it.
    const invoker = await this.#invoker?.catch(() => undefined);
    invoker?.client.destroy();
  }

  async #invoke(call: FunctionCall, abortSignal: AbortSignal): Promise<unknown> {
    const { functionName, qualifier, ticket } = this.#options;
    const payload = encode({ ...call, ticket });
    this.#invoker ??= loadInvoker(this.#options);
    const { client, InvokeCommand } = await this.#invoker;
    const command = new InvokeCommand({
      ...{ FunctionName: functionName, InvocationType: "RequestResponse", Payload: payload },
      ...(qualifier !== undefined && { Qualifier: qualifier }),
    });
    let output: LambdaSdk.InvokeCommandOutput;
    try {
      output = await client.send(command, { abortSignal });
    } catch (thrown) {
      if (abortSignal.aborted) throw new MayflyError("TASK_FAILED", "was given up", { cause: thrown });
      throw invokeError(thrown, functionName);
    }
    const reply = parse(output.Payload);
    if (output.FunctionError !== undefined) throw functionError(reply, functionName);
    if (!isReply(reply)) {
      throw new MayflyError(
        "INVALID_ARGUMENT",
        `Lambda function ${functionName} answers no calls of Mayfly. Deploy it with a handler made by createLambdaHandler.`,
      );
    }
    return resultOf(reply);
  }
}

function encode(call: LambdaCall): Buffer {
  let json: string;
  try {
    json = JSON.stringify(call);
  } catch (thrown) {
    const why = MayflyError.from(thrown).message;
    throw new MayflyError("INVALID_ARGUMENT", `The event of ${call.handler.name} is no JSON: ${why}`);
  }
  const payload = Buffer.from(json);
  if (payload.length <= payloadBytesMax) return payload;
  throw new MayflyError(
    "TOO_LARGE",
    `The event of ${call.handler.name} makes a call of ${payload.length} bytes; Lambda takes ${payloadBytesMax}. Put what is large into the store (job.put) and pass its key.`,
  );
}

/** Undefined for what is no JSON. */
function parse(payload: Uint8Array | undefined): unknown {
  try {
    return JSON.parse(Buffer.from(payload ?? []).toString());
  } catch {
    return undefined;
  }
}

function isReply(value: unknown): value is CallReply {
  const { result, error } = fieldsOf(value);
  const { code, message, refs } = fieldsOf(error);
  return (
    result !== undefined || (typeof code === "string" && typeof message === "string" && Array.isArray(refs))
  );
}

async function loadInvoker({ concurrency, region, endpoint }: LambdaBackendOptions): Promise<Invoker> {
  const { LambdaClient, InvokeCommand } = await loadSdk();
  const client = new LambdaClient({
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
    // What is tried again, and when, the executor decides: it counts attempts, and each has an id of its own.
    maxAttempts: 1,
    requestHandler: {
      // 50 by default: more calls would wait for one another here.
      httpAgent: { maxSockets: concurrency },
      httpsAgent: { maxSockets: concurrency },
      connectionTimeout: connectTimeoutMs,
      requestTimeout: answerTimeoutMs,
      throwOnRequestTimeout: true,
    },
  });
  return { client, InvokeCommand };
}

async function loadSdk(): Promise<typeof LambdaSdk> {
  try {
    return await import("@aws-sdk/client-lambda");
  } catch (cause) {
    if (fieldsOf(cause)["code"] !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new MayflyError(
      "INVALID_ARGUMENT",
      "Calling AWS Lambda needs a package that is not installed: npm install @aws-sdk/client-lambda",
      { cause },
    );
  }
}
