/** Records of decisions as they stand in a log: their shapes are checked, since people and other versions write logs too. */
import { Type } from "typebox";
import { Value } from "typebox/value";
import { hintsSchema } from "../schemas.ts";
import type { ScaleRecord } from "./scale-inventory.ts";
import { type ScalePolicy, scalePolicyKeys } from "./scale-policy.ts";

const amount = Type.Number({ minimum: 0 });
const time = Type.Number();
const timeOrNull = Type.Union([Type.Number(), Type.Null()]);
const timedAmounts = Type.Array(Type.Object({ atMs: time, amount }));
const ids = Type.Array(Type.String());

const nodeSchema = Type.Object({
  id: Type.String(),
  state: Type.Union([Type.Literal("starting"), Type.Literal("active"), Type.Literal("draining")]),
  startedAtMs: time,
  limitBytes: amount,
  usedBytes: amount,
  networkBytesPerSecond: amount,
  eventLoopUtilization: amount,
  waitingWriters: amount,
});

const jobSchema = Type.Object({
  job: Type.Integer({ minimum: 1 }),
  usedBytes: amount,
  hints: hintsSchema,
  code: Type.Object({ d: Type.Integer({ minimum: 1 }), p: Type.Integer({ minimum: 0 }) }),
  registeredAtMs: time,
});

const stateSchema = Type.Object({
  atMs: timeOrNull,
  beganAtMs: timeOrNull,
  lastGrowAtMs: timeOrNull,
  lastShrinkAtMs: timeOrNull,
  jobs: Type.Array(
    Type.Object({
      job: Type.Integer({ minimum: 1 }),
      usedBytes: amount,
      bytesPerSecond: amount,
      markBytes: amount,
      grewAtMs: time,
    }),
  ),
  surprises: timedAmounts,
  surprisePeaks: timedAmounts,
  needs: timedAmounts,
});

const recordSchema = Type.Object({
  digest: Type.String(),
  atMs: time,
  inventory: Type.Object({ nowMs: time, nodes: Type.Array(nodeSchema), jobs: Type.Array(jobSchema) }),
  state: stateSchema,
  decision: Type.Object({
    kind: Type.Union([Type.Literal("grow"), Type.Literal("shrink"), Type.Literal("hold")]),
    target: amount,
    start: amount,
    keep: ids,
    drain: ids,
  }),
  reasons: Type.Array(Type.String()),
});

const policySchema = Type.Object(
  Object.fromEntries(scalePolicyKeys.map((key) => [key, Type.Number()])) as Record<
    keyof ScalePolicy,
    ReturnType<typeof Type.Number>
  >,
);

const headerSchema = Type.Object({ format: Type.String(), version: Type.Integer(), policy: policySchema });

export interface DecisionHeader {
  readonly format: string;
  readonly version: number;
  readonly policy: ScalePolicy;
}

/** What is wrong with it, in words, or undefined when it is a header. */
export function headerFault(value: unknown): string | undefined {
  return faultOf(headerSchema, value);
}

export function isHeader(value: unknown): value is DecisionHeader {
  return Value.Check(headerSchema, value);
}

/** What is wrong with it, in words, or undefined when it is a record. */
export function recordFault(value: unknown): string | undefined {
  return faultOf(recordSchema, value);
}

export function isRecord(value: unknown): value is ScaleRecord & { readonly digest: string } {
  return Value.Check(recordSchema, value);
}

function faultOf(schema: typeof headerSchema | typeof recordSchema, value: unknown): string | undefined {
  if (Value.Check(schema, value)) return undefined;
  const [fault] = Value.Errors(schema, value);
  return `${fault?.instancePath ?? ""} ${fault?.message ?? "has another form"}`.trim();
}
