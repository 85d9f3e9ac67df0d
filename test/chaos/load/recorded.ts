/** What load processes tell the run: every call, and what they are asked to do. */
import type { ErrorCode } from "../../../client/index.ts";
import type { StoredOperation } from "../../history/no-loss.ts";

export const workloads = ["cell", "counter", "once", "object", "wait"] as const;
export type Workload = (typeof workloads)[number];

/** Times are of the machine's monotonic clock, which all processes share. */
export interface RecordedOperation extends StoredOperation {
  readonly workload: Workload;
  readonly timeoutMs: number;
  /** Why the outcome is unknown, or which error the result stands for. */
  readonly error?: ErrorCode;
  readonly message?: string;
  /** So much later than timeout, slack and standstills of the process allow. */
  readonly lateMs?: number;
  /** When it really returned: `returnedAtMs` is missing when the outcome is unknown. */
  readonly endedAtMs: number;
}

export interface LoadSetup {
  readonly ticket: string;
  readonly seed: number;
  /** Numbers the clients of all processes. */
  readonly firstClient: number;
  readonly slackMs: number;
}

export type ToLoad =
  | { readonly kind: "start"; readonly setup: LoadSetup }
  | { readonly kind: "stop" }
  | { readonly kind: "read-back"; readonly keys: readonly (readonly [Workload, string])[] };

export type FromLoad =
  | { readonly kind: "operations"; readonly operations: readonly RecordedOperation[] }
  | { readonly kind: "stalled"; readonly worstMs: number }
  /** Calls that did not return at all. */
  | { readonly kind: "stopped"; readonly hanging: readonly string[] }
  | { readonly kind: "read-back-done" };
