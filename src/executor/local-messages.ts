/** What passes between the local executor and its processes, over the IPC channel. */
import type { ErrorCode } from "../errors.ts";
import type { HandlerRef } from "./executor.ts";

export interface CallMessage {
  readonly handler: HandlerRef;
  readonly event: unknown;
}

export type ReplyMessage =
  | { readonly progress: Readonly<Record<string, number>> }
  | { readonly result: unknown }
  | {
      readonly error: {
        readonly code: ErrorCode;
        readonly message: string;
        readonly refs: readonly string[];
      };
    };
