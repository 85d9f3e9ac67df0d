/** Runs a call in the process it has come to, and makes the reply that goes back; the same wherever functions run. */
import type { Job } from "../../client/job.ts";
import { type ErrorCode, isErrorCode, MayflyError } from "../errors.ts";
import type { FunctionCall } from "./backend.ts";
import type { FunctionContext, FunctionHandler } from "./executor.ts";

export type CallReply =
  | { readonly result: unknown }
  | {
      readonly error: {
        readonly code: ErrorCode;
        readonly message: string;
        readonly refs: readonly string[];
      };
    };

/** What a platform gives the functions that run on it. */
export interface FunctionSurroundings {
  connect(): Promise<Job>;
  /** The module that a handler names. */
  load(module: string): Promise<unknown>;
  readonly progress: FunctionContext["progress"];
}

/** @param send given a result, it may throw: then it is given that error */
export async function runCall<Sent>(
  { handler, event, attempt }: FunctionCall,
  { connect, load, progress }: FunctionSurroundings,
  send: (reply: CallReply) => Sent,
): Promise<Sent> {
  try {
    const job = await connect();
    const module = await load(handler.module);
    const found = (module as Record<string, unknown>)[handler.name];
    if (typeof found !== "function") {
      throw new MayflyError("INVALID_ARGUMENT", `${handler.module} exports no function ${handler.name}.`);
    }
    const result = await (found as FunctionHandler)(event as never, { job, attempt, progress });
    return send({ result: result ?? null });
  } catch (thrown) {
    return send(errorReply(thrown));
  }
}

export function errorReply(thrown: unknown): CallReply {
  const { code, message, refs } = MayflyError.from(thrown);
  return { error: { code, message, refs } };
}

/** @throws MayflyError that of the function; a code that only a newer version knows is INTERNAL */
export function resultOf(reply: CallReply): unknown {
  if ("result" in reply) return reply.result;
  const { code, message, refs } = reply.error;
  throw new MayflyError(isErrorCode(code) ? code : "INTERNAL", message, { refs });
}
