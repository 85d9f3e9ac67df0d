/** Decides whether a job can begin, and with what. */
import { MayflyError } from "../errors.ts";
import { checkCode, defaultCode, formatCode } from "../placement/code.ts";
import type { CreateJobRequest } from "../wire/control-api.ts";
import { activeNodes, type FleetState, type Job, nextJobNumber } from "./fleet-state.ts";

export const leaseMsDefault = 600_000;
export const graceMsDefault = 60_000;
/** Jobs alive at once: the job table goes to every node. */
export const jobsMax = 10_000;

/**
 * @param nodesMost as many nodes as there can be: a wider code has no place
 * @throws MayflyError NOT_ENOUGH_NODES when the fleet is forming or too small for the code; KEY_EXISTS when a job of that
 * name is alive; QUOTA_EXCEEDED when there are too many jobs; INVALID_ARGUMENT when there is no such code.
 */
export function planJob(
  state: FleetState,
  request: CreateJobRequest,
  nodesInitial: number,
  wallMs: number,
  nodesMost = 0,
): Job {
  const count = activeNodes(state).length;
  if (!state.formed || count === 0) throw forming(count, nodesInitial);
  const code = request.code === undefined ? defaultCode(count) : checkCode(request.code);
  const shards = code.d + code.p;
  if (shards > Math.max(count, nodesMost)) {
    throw new MayflyError(
      "NOT_ENOUGH_NODES",
      `code ${formatCode(code)} puts ${shards} shards on distinct nodes and ${describeNodes(count, nodesMost)}; start ` +
        `${shards - Math.max(count, nodesMost)} more, or ask for a code that fits, like ${formatCode(defaultCode(count))}`,
    );
  }
  if (state.jobs.length >= jobsMax) {
    throw new MayflyError(
      "QUOTA_EXCEEDED",
      `${jobsMax} jobs are alive, the most there can be; end some: mayfly job end <job>`,
    );
  }
  const number = nextJobNumber(state);
  const name = request.name ?? `job-${number}`;
  const namesake = state.jobs.find((job) => job.name === name);
  if (namesake !== undefined) {
    throw new MayflyError(
      "KEY_EXISTS",
      `job ${namesake.number} is alive and named ${JSON.stringify(name)}; choose another name, get its ticket ` +
        `(mayfly job ticket ${namesake.number}) or end it (mayfly job end ${namesake.number})`,
    );
  }
  return {
    number,
    name,
    code,
    leaseMs: request.leaseMs ?? leaseMsDefault,
    graceMs: request.graceMs ?? graceMsDefault,
    quotaBytes: request.quotaBytes ?? 0,
    hints: request.hints ?? {},
    createdAtMs: wallMs,
    nodesLost: 0,
  };
}

function describeNodes(count: number, nodesMost: number): string {
  return nodesMost > count ? `there can be ${nodesMost}` : `${count} are active`;
}

function forming(count: number, nodesInitial: number): MayflyError {
  const wanted = Math.max(1, nodesInitial);
  return new MayflyError(
    "NOT_ENOUGH_NODES",
    `no job can begin: ${count} of the ${wanted} nodes that the fleet begins with are there; start the others ` +
      "(mayfly node) or wait until they have registered",
    { retryAfterMs: 1000 },
  );
}
