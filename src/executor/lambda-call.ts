/** What goes to a function on AWS Lambda: the payload of a synchronous invocation. It answers with a `CallReply`. */
import type { FunctionCall } from "./backend.ts";

export interface LambdaCall extends FunctionCall {
  readonly ticket: string;
}

/** Lambda's limit for what goes in and, give or take a hundred bytes, for what comes back. */
export const payloadBytesMax: number = 6 * 1024 * 1024;

export function isLambdaCall(value: unknown): value is LambdaCall {
  const { handler, attempt, ticket } = fieldsOf(value);
  const { module, name } = fieldsOf(handler);
  return [attempt, ticket, module, name].every((field) => typeof field === "string");
}

/** Those of anything; what is no object has none. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
