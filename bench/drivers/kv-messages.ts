/** What the kv scenario and its client processes say to one another, over the channel between parent and child. */

/** Asks for one sample. */
export interface KvSampleRequest {
  readonly operation: "put" | "get";
  readonly valueBytes: number;
  readonly outstanding: number;
  /** Receive into the same buffers again and again. */
  readonly into: boolean;
  readonly durationMs: number;
  /** Puts and gets in turn, by the same client at the same time; not in the sample's figures but `besideBytes`. */
  readonly beside?: { readonly valueBytes: number; readonly outstanding: number };
}

export interface KvSample {
  readonly operations: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Used by the client process meanwhile. */
  readonly cpuSeconds: number;
  readonly besideBytes: number;
}

/** `ready` comes once, when the client has connected; then an answer to each request. */
export type KvReply =
  | { readonly ready: true }
  | { readonly sample: KvSample }
  /** Text for people. */
  | { readonly failed: string };
