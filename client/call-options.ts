export interface CallOptions {
  /** Total time for the call; default 30 s (plus `waitMs`), at most 15 minutes. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}
