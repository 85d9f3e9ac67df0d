/** What a function's process answers over the IPC channel; it is sent a `FunctionCall`. */
import type { ErrorCode } from "../errors.ts";

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
