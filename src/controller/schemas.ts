/**
 * The bodies of control-api.ts as JSON schemas, for validation and for the published OpenAPI document. The types at the
 * end do not compile when a schema and its interface differ.
 *
 * What people write is closed: an unknown field is most likely a misspelt one. What nodes write is open: a newer node
 * may say more than an older controller knows.
 */
import { type TSchema, Type } from "typebox";
import { dataMaxWithFourParity, parityMax, shardsMax } from "../placement/code.ts";
import type * as api from "../wire/control-api.ts";
import type { HibernationProgress } from "../wire/hibernation-api.ts";

const bytes = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const id = Type.Integer({ minimum: 1, maximum: 2 ** 32 - 1 });
const number = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** Printable ASCII without spaces, and short enough for the map. */
const word = (minLength: number) => Type.String({ pattern: "^[!-~]*$", minLength, maxLength: 255 });
const port = Type.Integer({ minimum: 1, maximum: 65_535 });
const ratio = Type.Number({ minimum: 0, maximum: 1 });
const closed = { additionalProperties: false };

const day = 86_400_000;
/** Shorter leases would lapse between two heartbeats that report activity. */
const leaseMs = Type.Integer({ minimum: 1000, maximum: 30 * day, description: "10 minutes by default" });
const graceMs = Type.Integer({ minimum: 0, maximum: 30 * day, description: "1 minute by default" });
export const tokenTtlMsMax = 365 * day;
const tokenTtlMs = Type.Integer({
  minimum: 1000,
  maximum: tokenTtlMsMax,
  description: "24 hours by default",
});

export const codeSchema = Type.Object(
  {
    d: Type.Integer({ minimum: 1, maximum: shardsMax, description: "data shards" }),
    p: Type.Integer({ minimum: 0, maximum: parityMax, description: "parity shards" }),
  },
  {
    ...closed,
    description: `d+p is at most ${shardsMax}; with p = ${parityMax}, d is at most ${dataMaxWithFourParity}`,
  },
);

const preference = Type.Union([Type.Literal("latency"), Type.Literal("cost")]);

export const hintsSchema = Type.Object(
  {
    bytes: Type.Optional(bytes),
    bytesPerSecond: Type.Optional(bytes),
    functions: Type.Optional(number),
    prefer: Type.Optional(preference),
  },
  closed,
);

/** Items of a heartbeat about rows and nodes: one for each pair at most. */
const heartbeatItemsMax = 16_384;
/** Items of a heartbeat: jobs alive plus some that ended a moment ago. */
const heartbeatJobsMax = 20_000;

const jobTableRow = Type.Object({
  job: id,
  quotaBytes: bytes,
  overQuota: Type.Boolean(),
  prefer: Type.Optional(preference),
});
const jobTable = Type.Object({ version: number, highest: number, jobs: Type.Array(jobTableRow) });

export const registerNodeRequest = Type.Object({
  host: word(1),
  port,
  memoryBytes: bytes,
  zone: Type.Optional(word(0)),
  pid: number,
  instance: Type.Optional(word(1)),
});

export const registerNodeReply = Type.Object({
  nodeId: id,
  fleetToken: Type.String(),
  publicKey: Type.String(),
  heartbeatMs: number,
  deadAfterMs: number,
  relocationBytesPerSecond: Type.Optional(number),
  durableUrl: Type.Optional(Type.String()),
  map: Type.String({ description: "the encoded fleet map in base64" }),
  jobs: jobTable,
});

const relocationReport = Type.Object({
  objects: number,
  bytes,
  atRisk: number,
  movedObjects: number,
  movedBytes: bytes,
  lostObjects: number,
  byNode: Type.Array(Type.Tuple([id, number]), { maxItems: heartbeatItemsMax }),
});

const storeRequests = Type.Object({
  ...{ puts: number, gets: number, heads: number, lists: number, deletes: number },
  ...{ bytesWritten: bytes, bytesRead: bytes, retries: number, throttled: number },
});
const spilled = {
  ...{ objects: number, bytes, spilledObjects: number, spilledBytes: bytes },
  ...{ readBackObjects: number, readBackBytes: bytes },
};
const spillReport = Type.Object({
  ...spilled,
  requests: Type.Optional(storeRequests),
  failing: Type.Optional(Type.String()),
});

const jobStoreUse = Type.Object({ gets: number, bytesRead: bytes, puts: number, bytesWritten: bytes });

const jobBytes = Type.Object({
  job: id,
  bytes,
  claimedBytes: Type.Optional(bytes),
  store: Type.Optional(jobStoreUse),
});

const hibernationReport = Type.Object({
  token: Type.Optional(Type.String({ pattern: "^\\d{1,10}\\.\\d{1,10}$" })),
  stored: Type.Boolean(),
  storedBytes: bytes,
  objectsLeft: number,
  bytesLeft: bytes,
  fault: Type.Optional(Type.String({ maxLength: 1000 })),
});

export const heartbeatRequest = Type.Object({
  epoch: Type.String({ pattern: "^\\d{1,10}\\.\\d{1,10}$" }),
  jobsVersion: number,
  limitBytes: bytes,
  usedBytes: bytes,
  claimedBytes: Type.Optional(bytes),
  activeJobs: Type.Array(id, { maxItems: heartbeatJobsMax }),
  jobBytes: Type.Array(jobBytes, { maxItems: heartbeatJobsMax }),
  // Not bounded above: a clock that jumps must not cost a node its heartbeat.
  eventLoopUtilization: Type.Number({ minimum: 0 }),
  networkBytesPerSecond: Type.Number({ minimum: 0 }),
  waitingWriters: number,
  ready: Type.Array(Type.Tuple([number, number, id]), { maxItems: heartbeatItemsMax }),
  unfit: Type.Array(Type.Tuple([number, number]), { maxItems: heartbeatItemsMax }),
  rowsPending: number,
  unreachable: Type.Array(id, { maxItems: heartbeatItemsMax }),
  suspects: Type.Optional(Type.Array(id, { maxItems: heartbeatItemsMax })),
  relocation: relocationReport,
  spill: Type.Optional(spillReport),
  hibernation: Type.Optional(hibernationReport),
});

export const heartbeatReply = Type.Object({
  map: Type.Optional(Type.String({ description: "the encoded fleet map in base64, if the node's is old" })),
  jobs: Type.Optional(jobTable),
  drained: Type.Optional(Type.Boolean()),
  spillAll: Type.Optional(Type.Boolean()),
});

export const createJobRequest = Type.Object(
  {
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    code: Type.Optional(codeSchema),
    leaseMs: Type.Optional(leaseMs),
    graceMs: Type.Optional(graceMs),
    quotaBytes: Type.Optional(bytes),
    tokenTtlMs: Type.Optional(tokenTtlMs),
    hints: Type.Optional(hintsSchema),
  },
  closed,
);

export const jobInfoSchema = Type.Object({
  job: id,
  name: Type.String(),
  state: Type.Union([Type.Literal("alive"), Type.Literal("grace"), Type.Literal("ended")]),
  code: codeSchema,
  leaseMs: number,
  graceMs: number,
  quotaBytes: bytes,
  usedBytes: bytes,
  createdAtMs: number,
  leaseLeftMs: number,
  hints: hintsSchema,
  store: Type.Optional(jobStoreUse),
});

export const createJobReply = Type.Object({
  job: jobInfoSchema,
  token: Type.String(),
  ticket: Type.String(),
  readyInMs: number,
});
export const listJobsReply = Type.Object({ jobs: Type.Array(jobInfoSchema) });
export const extendJobRequest = Type.Object({ leaseMs: Type.Optional(leaseMs) }, closed);
export const ticketRequest = Type.Object({ ttlMs: Type.Optional(tokenTtlMs) }, closed);
export const ticketReply = Type.Object({ ticket: Type.String(), token: Type.String() });
export const ownTicketReply = Type.Object({ ticket: Type.String(), job: jobInfoSchema });
export const healthReply = Type.Object({ status: Type.Literal("ok"), epoch: Type.String() });
export const emptyReply = Type.Object({});

const nodeState = Type.Union([Type.Literal("active"), Type.Literal("draining"), Type.Literal("dead")]);
export const drainRequest = Type.Object(
  {
    deadlineMs: Type.Optional(
      Type.Integer({ minimum: 1000, maximum: day, description: "by when it should be done, from now" }),
    ),
  },
  closed,
);
export const nodeProgressReply = Type.Object({
  node: id,
  state: Type.Union([nodeState, Type.Literal("drained")]),
  rowsLeft: number,
  objectsLeft: number,
  bytesLeft: bytes,
  etaMs: Type.Optional(number),
  deadlineLeftMs: Type.Optional(number),
  late: Type.Boolean(),
});
export const scaleRequest = Type.Object(
  {
    nodes: Type.Integer({
      minimum: 0,
      maximum: 4096,
      description: "0 lets the autoscaler decide again, where there is one",
    }),
  },
  closed,
);
export const scaleProgress = Type.Object({
  desired: number,
  active: number,
  starting: number,
  draining: number,
  rowsMoving: number,
  done: Type.Boolean(),
  blocked: Type.Boolean(),
  reasons: Type.Array(Type.String()),
});
export const restartProgress = Type.Object({
  total: number,
  left: Type.Array(id),
  draining: Type.Array(id),
  starting: number,
  done: Type.Boolean(),
  reasons: Type.Array(Type.String()),
});
export const hibernationProgress = Type.Object({
  stage: Type.Union([
    Type.Literal("awake"),
    Type.Literal("spilling"),
    Type.Literal("storing"),
    Type.Literal("asleep"),
    Type.Literal("waking"),
  ]),
  objectsLeft: number,
  bytesLeft: bytes,
  nodes: number,
  nodesStored: number,
  nodesWanted: number,
  storedBytes: bytes,
  sinceMs: Type.Optional(number),
  reasons: Type.Array(Type.String()),
});
const autoscaleDecision = Type.Object({
  kind: Type.Union([Type.Literal("grow"), Type.Literal("shrink"), Type.Literal("hold")]),
  target: number,
  start: number,
  keep: Type.Array(Type.String()),
  drain: Type.Array(Type.String()),
  agoMs: number,
  reasons: Type.Array(Type.String()),
});
const autoscaleStatus = Type.Object({
  nodesMin: number,
  nodesMax: number,
  waitsFor: Type.Optional(Type.String()),
  last: Type.Optional(autoscaleDecision),
  lastChange: Type.Optional(autoscaleDecision),
});
const nodeStatus = Type.Object({
  id,
  host: Type.String(),
  port,
  zone: Type.String(),
  state: nodeState,
  weight: number,
  limitBytes: bytes,
  usedBytes: bytes,
  claimedBytes: bytes,
  heartbeatAgeMs: number,
  eventLoopUtilization: ratio,
  rows: number,
  objectsLeft: number,
});

const spillStatus = Type.Object({
  ...{ storeUrl: Type.String(), ...spilled, requests: storeRequests, failing: Type.Array(Type.String()) },
});

export const statusReply = Type.Object({
  epoch: Type.String(),
  state: Type.Union([Type.Literal("forming"), Type.Literal("serving")]),
  backups: number,
  nodes: Type.Array(nodeStatus),
  jobs: Type.Array(jobInfoSchema),
  rows: Type.Object({
    ...{ total: number, full: number, degraded: number, withoutPrimary: number },
    ...{ joining: number, moving: number, pending: number },
  }),
  relocation: Type.Object({
    ...{ objects: number, bytes, atRisk: number, movedObjects: number, movedBytes: bytes },
    ...{ lostObjects: number, bytesPerSecond: number, etaMs: Type.Optional(number) },
  }),
  spill: Type.Optional(spillStatus),
  size: scaleProgress,
  autoscale: Type.Optional(autoscaleStatus),
  replacing: number,
  hibernation: Type.Optional(hibernationProgress),
  survives: Type.Array(Type.String()),
});

export const errorReply = Type.Object({
  code: Type.String({ description: "one of docs/ERRORS.md" }),
  message: Type.String(),
  retryAfterMs: Type.Optional(Type.Number()),
});

export const nodeIdParams = Type.Object({
  id: Type.String({ pattern: "^[1-9]\\d{0,9}$", description: "node id" }),
});
export const jobParams = Type.Object({
  job: Type.String({ pattern: "^[1-9]\\d{0,9}$", description: "job number" }),
});
export const watchQuery = Type.Object({
  epoch: Type.String({ description: "the newest map that the node has, term.n" }),
  jobs: Type.String({ pattern: "^\\d{1,16}$", description: "version of the job table that the node has" }),
  waitMs: Type.Optional(
    Type.String({
      pattern: "^\\d{1,9}$",
      description: "answer {} after so long; at most, and by default, 30 s",
    }),
  ),
});
export const mapQuery = Type.Object({
  after: Type.Optional(Type.String({ description: "epoch term.n: answer 204 if the map is not newer" })),
});

/** Whether a schema and an interface accept the same values: assignable both ways, with the same fields optional. */
type Same<S extends TSchema, I> = Equal<Type.Static<S>, Mutable<I>>;
type Equal<A, B> = [A, keyof A, OptionalKeys<A>] extends [B, keyof B, OptionalKeys<B>]
  ? [B, keyof B, OptionalKeys<B>] extends [A, keyof A, OptionalKeys<A>]
    ? true
    : false
  : false;
type OptionalKeys<T> = { [K in keyof T]-?: object extends Pick<T, K> ? K : never }[keyof T];
/** Schemas know no `readonly`. */
type Mutable<T> = T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> } : T;

/** Each line fails to compile when its pair differs. */
export type SchemasMatchInterfaces = [
  Check<Same<typeof registerNodeRequest, api.RegisterNodeRequest>>,
  Check<Same<typeof registerNodeReply, api.RegisterNodeReply>>,
  Check<Same<typeof heartbeatRequest, api.HeartbeatRequest>>,
  Check<Same<typeof heartbeatReply, api.HeartbeatReply>>,
  Check<Same<typeof jobTable, api.JobTable>>,
  Check<Same<typeof jobTableRow, api.JobTableRow>>,
  Check<Same<typeof hintsSchema, api.JobHints>>,
  Check<Same<typeof createJobRequest, api.CreateJobRequest>>,
  Check<Same<typeof createJobReply, api.CreateJobReply>>,
  Check<Same<typeof jobInfoSchema, api.JobInfo>>,
  Check<Same<typeof statusReply, api.StatusReply>>,
  Check<Same<typeof nodeStatus, api.NodeStatus>>,
  Check<Same<typeof autoscaleStatus, api.AutoscaleStatus>>,
  Check<Same<typeof drainRequest, api.DrainRequest>>,
  Check<Same<typeof nodeProgressReply, api.NodeProgress>>,
  Check<Same<typeof scaleRequest, api.ScaleRequest>>,
  Check<Same<typeof scaleProgress, api.ScaleProgress>>,
  Check<Same<typeof restartProgress, api.RestartProgress>>,
  Check<Same<typeof hibernationProgress, HibernationProgress>>,
  Check<Same<typeof errorReply, api.ErrorReply>>,
];
type Check<T extends true> = T;
