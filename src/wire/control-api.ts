/**
 * The JSON bodies between controller, nodes and clients (HTTP, prefix /v1). The controller validates them by
 * schema; these are the same shapes for those who call it. All sizes in bytes, all times in milliseconds.
 */
import type { Code } from "../placement/types.ts";

/** POST /v1/nodes */
export interface RegisterNodeRequest {
  readonly host: string;
  readonly port: number;
  readonly memoryBytes: number;
  readonly zone?: string;
  readonly pid: number;
}

export interface RegisterNodeReply {
  readonly nodeId: number;
  /** Lets this node speak to other nodes; verified with `publicKey` like every token. */
  readonly fleetToken: string;
  /** Ed25519 public key of the fleet, SPKI DER in base64. */
  readonly publicKey: string;
  readonly heartbeatMs: number;
  /** Without a heartbeat for so long a node is declared dead. */
  readonly deadAfterMs: number;
  /** Encoded map, base64. */
  readonly map: string;
  readonly jobs: JobTable;
}

/** POST /v1/nodes/:id/heartbeat. 404 NODE_UNKNOWN: this id is dead, register anew (empty) or exit. */
export interface HeartbeatRequest {
  /** "term.n" of the newest map the node has. */
  readonly epoch: string;
  readonly jobsVersion: number;
  readonly limitBytes: number;
  readonly usedBytes: number;
  /** Jobs that had an authenticated operation since the last heartbeat: their leases are renewed. */
  readonly activeJobs: readonly number[];
  readonly jobBytes: readonly { readonly job: number; readonly bytes: number }[];
  /** 0 .. 1 since the last heartbeat. */
  readonly eventLoopUtilization: number;
}

export interface HeartbeatReply {
  /** Present when the node's epoch is old; base64. */
  readonly map?: string;
  /** Present when the node's jobsVersion is old. */
  readonly jobs?: JobTable;
}

/** The jobs alive. A number that is at most `highest` and not listed has ended; a higher one is too new to be listed. */
export interface JobTable {
  readonly version: number;
  readonly highest: number;
  readonly jobs: readonly JobTableRow[];
}

export interface JobTableRow {
  readonly job: number;
  readonly quotaBytes: number;
  /** The sum over all nodes is above the quota: take no new bytes. */
  readonly overQuota: boolean;
}

export interface JobHints {
  /** Bytes the job expects to hold at its peak. */
  readonly bytes?: number;
  readonly bytesPerSecond?: number;
  readonly functions?: number;
  readonly prefer?: "latency" | "cost";
}

/** POST /v1/jobs */
export interface CreateJobRequest {
  readonly name?: string;
  readonly code?: Code;
  readonly leaseMs?: number;
  readonly graceMs?: number;
  readonly quotaBytes?: number;
  readonly tokenTtlMs?: number;
  readonly hints?: JobHints;
}

export interface CreateJobReply {
  readonly job: JobInfo;
  readonly token: string;
  /** Text form of the ticket, for MAYFLY_TICKET. */
  readonly ticket: string;
}

export interface JobInfo {
  readonly job: number;
  readonly name: string;
  readonly state: "alive" | "grace" | "ended";
  readonly code: Code;
  readonly leaseMs: number;
  readonly graceMs: number;
  readonly quotaBytes: number;
  readonly usedBytes: number;
  readonly createdAtMs: number;
  readonly leaseLeftMs: number;
  readonly hints: JobHints;
}

/** GET /v1/status */
export interface StatusReply {
  readonly epoch: string;
  readonly state: "forming" | "serving";
  readonly backups: number;
  readonly nodes: readonly NodeStatus[];
  readonly jobs: readonly JobInfo[];
  readonly rows: {
    readonly total: number;
    readonly full: number;
    readonly degraded: number;
    readonly withoutPrimary: number;
  };
  /** One line for each job and for the cells: which losses are survived now. */
  readonly survives: readonly string[];
}

export interface NodeStatus {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly zone: string;
  readonly state: "active" | "draining" | "dead";
  readonly weight: number;
  readonly limitBytes: number;
  readonly usedBytes: number;
  readonly heartbeatAgeMs: number;
  readonly eventLoopUtilization: number;
}

/** Body of every error answer of the controller. */
export interface ErrorReply {
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs?: number;
}
