/** States and changes as JSON. The map is carried in its wire form, in base64, which is small and checks itself. */
import { Type } from "typebox";
import { Value } from "typebox/value";
import { MayflyError } from "../../errors.ts";
import { jobNumber, nodeId } from "../../ids.ts";
import { decodeMap, encodeMap } from "../../placement/map-codec.ts";
import type { FleetState, Job } from "../fleet-state.ts";
import { codeSchema, hintsSchema } from "../schemas.ts";
import type { StateChange } from "./state-change.ts";

const count = Type.Integer({ minimum: 0 });
const id = Type.Integer({ minimum: 0, maximum: 2 ** 32 - 1 });
const jobFields = {
  number: Type.Integer({ minimum: 1, maximum: 2 ** 32 - 1 }),
  name: Type.String(),
  code: codeSchema,
  leaseMs: count,
  graceMs: count,
  quotaBytes: count,
  hints: hintsSchema,
  createdAtMs: count,
  nodesLost: count,
};
const jobSchema = Type.Object(jobFields);
const node = Type.Integer({ minimum: 1, maximum: 2 ** 32 - 1 });
const changeSchema = Type.Object({
  formed: Type.Optional(Type.Boolean()),
  map: Type.Optional(Type.String()),
  highestNode: Type.Optional(id),
  highestJob: Type.Optional(id),
  jobs: Type.Optional(Type.Array(jobSchema)),
  ended: Type.Optional(Type.Array(Type.Object({ ...jobFields, endedAtMs: count }))),
  gone: Type.Optional(Type.Array(node)),
  drains: Type.Optional(Type.Array(Type.Object({ node, deadlineAtMs: count }))),
  drained: Type.Optional(Type.Array(node)),
  desired: Type.Optional(count),
  replacing: Type.Optional(Type.Object({ left: Type.Array(node), total: count, size: count })),
  instances: Type.Optional(Type.Array(Type.Object({ node, instance: Type.String() }))),
  sleep: Type.Optional(Type.Object({ nodes: count, nodeBytes: count, storedBytes: count, sinceMs: count })),
});
type ChangeRecord = Type.Static<typeof changeSchema>;

/** Ready for JSON.stringify. */
export function changeToRecord(change: StateChange): unknown {
  const { map, ...rest } = change;
  const {
    formed,
    highestNode,
    highestJob,
    jobs,
    ended,
    gone,
    drains,
    drained,
    desired,
    replacing,
    instances,
    sleep,
  } = rest;
  const fields = { formed, highestNode, highestJob, jobs, ended, gone, drains, drained, desired, replacing };
  return {
    ...fields,
    ...{ instances, sleep },
    ...(map === undefined ? {} : { map: Buffer.from(encodeMap(map)).toString("base64") }),
  };
}

/** @throws MayflyError DAMAGED when it is no change, PROTOCOL when its map is none. */
export function changeFromRecord(record: unknown): StateChange {
  if (!Value.Check(changeSchema, record)) {
    const [fault] = Value.Errors(changeSchema, record);
    throw new MayflyError(
      "DAMAGED",
      `no change of a fleet's state: ${fault?.instancePath} ${fault?.message}`,
    );
  }
  const { formed, map, highestNode, highestJob, jobs, ended, desired }: ChangeRecord = record;
  const { gone, drains, drained, replacing, instances, sleep } = record;
  return {
    ...(formed === undefined ? {} : { formed }),
    ...(map === undefined ? {} : { map: decodeMap(Buffer.from(map, "base64")) }),
    ...(highestNode === undefined ? {} : { highestNode }),
    ...(highestJob === undefined ? {} : { highestJob }),
    ...(jobs === undefined ? {} : { jobs: jobs.map(withNumber) }),
    ...(ended === undefined ? {} : { ended: ended.map(withNumber) }),
    ...(gone === undefined ? {} : { gone: gone.map(nodeId) }),
    ...(drains === undefined
      ? {}
      : { drains: drains.map((drain) => ({ ...drain, node: nodeId(drain.node) })) }),
    ...(drained === undefined ? {} : { drained: drained.map(nodeId) }),
    ...(desired === undefined ? {} : { desired }),
    ...(replacing === undefined ? {} : { replacing: { ...replacing, left: replacing.left.map(nodeId) } }),
    ...(instances === undefined
      ? {}
      : { instances: instances.map(({ node: id, instance }) => ({ node: nodeId(id), instance })) }),
    ...(sleep === undefined ? {} : { sleep }),
  };
}

/** A whole state is the change that leads to it from nothing. */
export function stateToRecord(state: FleetState): unknown {
  return changeToRecord(state);
}

function withNumber<T extends { readonly number: number }>(job: T): T & Pick<Job, "number"> {
  return { ...job, number: jobNumber(job.number) };
}
