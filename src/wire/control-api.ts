/**
 * The JSON bodies between controller, nodes and clients (HTTP, prefix /v1). The controller validates them by
 * schema; these are the same shapes for those who call it. All sizes in bytes, all times in milliseconds.
 */

import type { Code } from "../placement/types.ts";
import type { HibernationProgress, HibernationReport } from "./hibernation-api.ts";

/** POST /v1/nodes */
export interface RegisterNodeRequest {
  readonly host: string;
  readonly port: number;
  readonly memoryBytes: number;
  readonly zone?: string;
  readonly pid: number;
  /** Of this life of the process, random: who asks again with the same one gets the same answer. */
  readonly instance?: string;
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
  /** At most so many bytes a second are written elsewhere to repair or drain; unlimited when absent. */
  readonly relocationBytesPerSecond?: number;
  /** Of the object store, where the fleet has one. */
  readonly durableUrl?: string;
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
  /** Taken from the limit, whole segments with their holes. */
  readonly usedBytes: number;
  /** How full the node is as far as cleaning cannot help: `limitBytes` when no more live bytes would fit; `usedBytes` when absent. */
  readonly claimedBytes?: number;
  /** Jobs that had an authenticated operation since the last heartbeat: their leases are renewed. */
  readonly activeJobs: readonly number[];
  readonly jobBytes: readonly JobBytes[];
  /** 0 .. 1 since the last heartbeat. */
  readonly eventLoopUtilization: number;
  /** Received and sent on connections that others opened, of late. */
  readonly networkBytesPerSecond: number;
  /** Connections on which something was answered BUSY, for want of memory or because too much was under way, of late. */
  readonly waitingWriters: number;
  /** `[group, generation, node]`: of the row that this node leads in that generation, the joining node has everything, and nothing is acknowledged without it any more. */
  readonly ready: readonly (readonly [number, number, number])[];
  /** `[group, generation]`: rows that this node should lead and cannot, since it never had all of them. */
  readonly unfit: readonly (readonly [number, number])[];
  /** Rows that this node leads by its map and that do not serve yet. */
  readonly rowsPending: number;
  /** Nodes that this one cannot reach. */
  readonly unreachable: readonly number[];
  /** Nodes that a client could not reach: no reason to give one up, but to find out whether it has ended. */
  readonly suspects?: readonly number[];
  readonly relocation: RelocationReport;
  /** Absent where the fleet has no object store. */
  readonly spill?: SpillReport;
  /** Only while the fleet goes to sleep or wakes. */
  readonly hibernation?: HibernationReport;
}

/** What of the groups that a node leads lies in the object store and not in memory, and what it took to bring it there. */
export interface SpillReport {
  readonly objects: number;
  readonly bytes: number;
  /** Since the node began. */
  readonly spilledObjects: number;
  readonly spilledBytes: number;
  readonly readBackObjects: number;
  readonly readBackBytes: number;
  /** To the store, for whatever reason; absent before the first one. */
  readonly requests?: StoreRequests;
  /** Why nothing is spilled, though it should be. */
  readonly failing?: string;
}

/** Since the store was opened; what was repeated counts each time. */
export interface StoreRequests {
  readonly puts: number;
  readonly gets: number;
  readonly heads: number;
  readonly lists: number;
  readonly deletes: number;
  readonly bytesWritten: number;
  readonly bytesRead: number;
  readonly retries: number;
  readonly throttled: number;
}

/** What one job has on a node. */
export interface JobBytes {
  readonly job: number;
  /** Whole segments and index entries: what its quota counts. */
  readonly bytes: number;
  /** Its part of the node's `claimedBytes`; `bytes` when it is absent. */
  readonly claimedBytes?: number;
  /** What this node has asked of the object store for it, since the node began; absent where there was nothing. */
  readonly store?: JobStoreUse;
}

/** What was asked of the object store for a job: requests and bytes, as they are paid. */
export interface JobStoreUse {
  readonly gets: number;
  readonly bytesRead: number;
  readonly puts: number;
  readonly bytesWritten: number;
}

/** The heartbeat of a node that has nothing and does nothing, but for who it is and what it knows. */
export const idleHeartbeat: Omit<HeartbeatRequest, "epoch" | "jobsVersion" | "limitBytes"> = {
  usedBytes: 0,
  activeJobs: [],
  jobBytes: [],
  eventLoopUtilization: 0,
  networkBytesPerSecond: 0,
  waitingWriters: 0,
  ready: [],
  unfit: [],
  rowsPending: 0,
  unreachable: [],
  relocation: {
    objects: 0,
    bytes: 0,
    atRisk: 0,
    movedObjects: 0,
    movedBytes: 0,
    lostObjects: 0,
    byNode: [],
  },
};

/** What a primary still has to move away from nodes that are dead or draining, in the rows it leads. */
export interface RelocationReport {
  /** Objects with shards there, and the bytes of those shards. */
  readonly objects: number;
  readonly bytes: number;
  /** Objects that one more lost node could make unreadable. */
  readonly atRisk: number;
  /** Since the node began. */
  readonly movedObjects: number;
  readonly movedBytes: number;
  /** Objects that were lost: fewer than `d` shards of some stripe are left. */
  readonly lostObjects: number;
  /** `[node, objects]`: how many of `objects` have shards on that node. */
  readonly byNode: readonly (readonly [number, number])[];
}

export interface HeartbeatReply {
  /** Present when the node's epoch is old; base64. */
  readonly map?: string;
  /** Present when the node's jobsVersion is old. */
  readonly jobs?: JobTable;
  /** The node is drained: nothing needs it any more, and its process may end with success. */
  readonly drained?: boolean;
  /** All objects that are in memory only should go to the object store: the fleet is about to sleep. */
  readonly spillAll?: boolean;
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
  /** As the job's hints say. */
  readonly prefer?: "latency" | "cost";
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
  /** When there will be room for what the hints name; 0 when there is. */
  readonly readyInMs: number;
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
  /** Of all nodes together, as far as they have told; absent where there was nothing. */
  readonly store?: JobStoreUse;
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
    /** Being copied to other nodes. */
    readonly joining: number;
    /** Not where they should be yet. */
    readonly moving: number;
    /** Not served at the moment: their primaries are taking them over. */
    readonly pending: number;
  };
  /** What is on dead and draining nodes and still has to be made anew or moved. */
  readonly relocation: RelocationStatus;
  /** Absent where the fleet has no object store. */
  readonly spill?: SpillStatus;
  readonly size: ScaleProgress;
  /** Absent when nobody decides the size of the fleet but people. */
  readonly autoscale?: AutoscaleStatus;
  /** Nodes that still have to be replaced. */
  readonly replacing: number;
  /** Absent of a fleet that is awake and was not to sleep. */
  readonly hibernation?: HibernationProgress;
  /** One line for each job and for the cells: which losses are survived now. */
  readonly survives: readonly string[];
}

/** Sums of `SpillReport` over all nodes. */
export interface SpillStatus {
  readonly storeUrl: string;
  readonly objects: number;
  readonly bytes: number;
  readonly spilledObjects: number;
  readonly spilledBytes: number;
  readonly readBackObjects: number;
  readonly readBackBytes: number;
  readonly requests: StoreRequests;
  /** Why nodes cannot spill, each reason once. */
  readonly failing: readonly string[];
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
  /** How full it is as far as cleaning cannot help: less than `usedBytes` where there are holes. */
  readonly claimedBytes: number;
  readonly heartbeatAgeMs: number;
  readonly eventLoopUtilization: number;
  /** That name it. */
  readonly rows: number;
  /** Objects with shards there that have to be moved away or made anew. */
  readonly objectsLeft: number;
}

export interface AutoscaleStatus {
  readonly nodesMin: number;
  readonly nodesMax: number;
  /** Why it decides nothing, or why what it decided is not carried out, just now. */
  readonly waitsFor?: string;
  readonly last?: AutoscaleDecision;
  /** The last that was no decision to hold; may be `last`. */
  readonly lastChange?: AutoscaleDecision;
}

export interface AutoscaleDecision {
  readonly kind: "grow" | "shrink" | "hold";
  /** Active and starting nodes once it is carried out. */
  readonly target: number;
  /** Nodes that were started. */
  readonly start: number;
  /** Nodes that went on, and that went, draining. */
  readonly keep: readonly string[];
  readonly drain: readonly string[];
  readonly agoMs: number;
  /** Facts first; the last one is what decided. */
  readonly reasons: readonly string[];
}

/** Sums of `RelocationReport` over all nodes. */
export interface RelocationStatus {
  readonly objects: number;
  readonly bytes: number;
  readonly atRisk: number;
  readonly movedObjects: number;
  readonly movedBytes: number;
  readonly lostObjects: number;
  readonly bytesPerSecond: number;
  /** Absent while nothing moves. */
  readonly etaMs?: number;
}

/** POST /v1/nodes/:id/drain */
export interface DrainRequest {
  readonly deadlineMs?: number;
}

/** GET /v1/nodes/:id */
export interface NodeProgress {
  readonly node: number;
  readonly state: "active" | "draining" | "dead" | "drained";
  /** Rows that name it. */
  readonly rowsLeft: number;
  readonly objectsLeft: number;
  /** Estimated. */
  readonly bytesLeft: number;
  /** Of the bytes; absent while nothing moves. */
  readonly etaMs?: number;
  readonly deadlineLeftMs?: number;
  /** The deadline has passed, and it goes on draining. */
  readonly late: boolean;
}

/** POST /v1/scale */
export interface ScaleRequest {
  /** Active nodes that the fleet should have; 0 where the autoscaler is to decide it again. */
  readonly nodes: number;
}

/** GET /v1/scale */
export interface ScaleProgress {
  /** 0 when nobody has said, and the autoscaler decides where there is one. */
  readonly desired: number;
  readonly active: number;
  readonly starting: number;
  readonly draining: number;
  readonly rowsMoving: number;
  /** The fleet has its size, and rows are where they should be. */
  readonly done: boolean;
  /** The fleet cannot get its size by itself; `reasons` say what to do. */
  readonly blocked: boolean;
  readonly reasons: readonly string[];
}

/** GET /v1/restart */
export interface RestartProgress {
  readonly total: number;
  /** Nodes that still have to be replaced, the next one first. */
  readonly left: readonly number[];
  /** All nodes that are draining now. */
  readonly draining: readonly number[];
  readonly starting: number;
  readonly done: boolean;
  readonly reasons: readonly string[];
}

/** Body of every error answer of the controller. */
export interface ErrorReply {
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs?: number;
}
