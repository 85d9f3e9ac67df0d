/**
 * A local stand-in for the Invoke API of AWS Lambda, with functions as real processes. Statuses, headers, error types and
 * messages are those of the real one:
 * https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, vi } from "vitest";
import { type Deployment, LambdaInstances } from "./lambda-instances.ts";

/** What happens to a request instead of what should: an error answer, any answer at all, or none. */
export type Failure =
  | { readonly status: number; readonly type: string; readonly message: string; readonly retryAfter?: string }
  | { readonly status: number; readonly html: string }
  | { readonly payload: string; readonly functionError?: string }
  | "cut"
  | "silence";

export interface Invocation {
  readonly functionName: string;
  readonly qualifier: string | null;
  readonly payload: string;
}

export interface LambdaApi {
  readonly url: string;
  /** All requests that came, also those that failed. */
  readonly invocations: readonly Invocation[];
  /** Most at a time of a function that was run. */
  readonly mostAtATime: number;
  deploy(functionName: string, deployment: Deployment): LambdaInstances;
  /** The next requests fail so, one each. */
  failNext(...failures: readonly Failure[]): void;
  stop(): Promise<void>;
}

const requestBytesMax = 6 * 1024 * 1024;
const path = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/;

/** For the tests of a file the AWS SDK finds credentials that the stand-in takes. */
export function useStandInCredentials(): void {
  beforeAll(() => {
    vi.stubEnv("AWS_ACCESS_KEY_ID", "stand-in");
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "stand-in");
  });
  afterAll(() => void vi.unstubAllEnvs());
}

export async function startLambdaApi(): Promise<LambdaApi> {
  const functions = new Map<string, LambdaInstances>();
  const invocations: Invocation[] = [];
  const failures: Failure[] = [];
  let mostAtATime = 0;

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url!, "http://stand-in");
    const functionName = decodeURIComponent(path.exec(pathname)?.[1] ?? "");
    const body = await bodyOf(request);
    invocations.push({ functionName, qualifier: searchParams.get("Qualifier"), payload: String(body) });
    const failure = failures.shift();
    if (failure !== undefined) {
      fail(response, failure);
      return;
    }
    const instances = functions.get(functionName);
    const refusal = refusalOf(request, functionName, body, instances);
    if (refusal !== undefined) {
      fail(response, refusal);
      return;
    }
    const requestId = randomUUID();
    const running = instances!.invoke(JSON.parse(String(body)), requestId);
    mostAtATime = Math.max(mostAtATime, instances!.running);
    const { payload, functionError } = await running;
    response.setHeader("x-amzn-requestid", requestId);
    answer(response, payload, functionError);
  };

  const server = createServer((request, response) => {
    serve(request, response).catch((thrown: unknown) =>
      fail(response, { status: 500, type: "ServiceException", message: String(thrown) }),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    invocations,
    get mostAtATime() {
      return mostAtATime;
    },
    deploy(functionName, deployment) {
      const instances = new LambdaInstances(functionName, deployment);
      functions.set(functionName, instances);
      return instances;
    },
    failNext: (...more) => void failures.push(...more),
    async stop() {
      await Promise.all([...functions.values()].map((instances) => instances.stop()));
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Why Lambda would not run it. */
function refusalOf(
  request: IncomingMessage,
  functionName: string,
  body: Buffer,
  instances: LambdaInstances | undefined,
): Failure | undefined {
  if (!request.headers.authorization?.startsWith("AWS4-HMAC-SHA256 ")) {
    return {
      ...{ status: 403, type: "MissingAuthenticationTokenException" },
      message: "Missing Authentication Token",
    };
  }
  if (instances === undefined) {
    const arn = `arn:aws:lambda:eu-north-1:123456789012:function:${functionName}`;
    return { status: 404, type: "ResourceNotFoundException", message: `Function not found: ${arn}` };
  }
  if (body.length > requestBytesMax) {
    const message = `Request must be smaller than ${requestBytesMax} bytes for the InvokeFunction operation`;
    return { status: 413, type: "RequestEntityTooLargeException", message };
  }
  try {
    JSON.parse(String(body));
  } catch {
    const message = "Could not parse request body into json: Unrecognized token";
    return { status: 400, type: "InvalidRequestContentException", message };
  }
  if (instances.isFull) return throttled;
  return undefined;
}

export const throttled: Failure = {
  status: 429,
  type: "TooManyRequestsException",
  message: "Rate Exceeded.",
};

function fail(response: ServerResponse, failure: Failure): void {
  if (failure === "silence") return;
  if (failure === "cut") {
    response.destroy();
  } else if ("payload" in failure) {
    answer(response, failure.payload, failure.functionError);
  } else if ("html" in failure) {
    response.writeHead(failure.status, { "content-type": "text/html" }).end(failure.html);
  } else {
    const { status, type, message, retryAfter } = failure;
    const reason = status === 429 && { Reason: "ReservedFunctionConcurrentInvocationLimitExceeded" };
    response
      .writeHead(status, {
        ...{ "content-type": "application/json", "x-amzn-errortype": type },
        ...(retryAfter !== undefined && { "retry-after": retryAfter }),
      })
      .end(JSON.stringify({ ...reason, Type: status < 500 ? "User" : "Service", message }));
  }
}

function answer(response: ServerResponse, payload: string, functionError: string | undefined): void {
  response
    .writeHead(200, {
      ...{ "content-type": "application/json", "x-amz-executed-version": "$LATEST" },
      ...(functionError !== undefined && { "x-amz-function-error": functionError }),
    })
    .end(payload);
}
