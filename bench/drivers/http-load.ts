/**
 * Load on an HTTP server: `http-load.js <HttpLoad>`. autocannon's connections go through the steps in turn, each sending
 * its next request when its last one was answered.
 */
import autocannon from "autocannon";
import { quantile } from "../harness/statistics.ts";
import { driverRequest, tellResult } from "./run-driver.ts";

export interface HttpStep {
  readonly method: "GET" | "POST" | "DELETE";
  /** `{job}` stands for the number of the job that the last answer on this connection told of. */
  readonly path: string;
  readonly body?: unknown;
  readonly token?: string;
}

export interface HttpLoad {
  readonly url: string;
  readonly connections: number;
  /** Of all connections together. */
  readonly requests: number;
  readonly steps: readonly HttpStep[];
}

export interface HttpLoadResult {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const { url, connections, requests, steps } = driverRequest() as HttpLoad;

const contextSchema = (context: object): { job?: number } => context as { job?: number };

function requestOf({ method, path, body, token }: HttpStep): autocannon.Request {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const headers = {
    ...(text !== undefined && { "content-type": "application/json" }),
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
  return {
    ...{ method, path, headers, ...(text !== undefined && { body: text }) },
    ...(path.includes("{job}") && {
      setupRequest: (request: autocannon.Request, context: object) => ({
        ...request,
        path: path.replace("{job}", String(contextSchema(context).job)),
      }),
    }),
    ...(steps.length > 1 && {
      onResponse(_status: number, reply: string, context: object) {
        const { job } = JSON.parse(reply) as { job?: { job?: number } };
        if (job?.job !== undefined) contextSchema(context).job = job.job;
      },
    }),
  };
}

const latenciesMs: number[] = [];
let lastAtMs = 0;
const startMs = performance.now();
const running = autocannon(
  {
    ...{ url, connections, amount: requests, requests: steps.map(requestOf) },
    // It ends only at the end of such an interval.
    sampleInt: 20,
  },
  (error, result) => {
    if (error !== null && error !== undefined) throw error;
    const failed = result.non2xx + result.errors + result.timeouts;
    if (failed > 0) throw new Error(`${failed} of ${requests} requests to ${url} failed`);
    const told: HttpLoadResult = {
      requestsPerSecond: (latenciesMs.length / (lastAtMs - startMs)) * 1000,
      p50Ms: quantile(latenciesMs, 0.5),
      p99Ms: quantile(latenciesMs, 0.99),
    };
    tellResult(told);
  },
);
running.on("response", (_client, _status, _bytes, responseMs) => {
  latenciesMs.push(responseMs);
  lastAtMs = performance.now();
});
