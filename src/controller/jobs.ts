/** Jobs begin, are kept alive and end; and what a function needs to use one. */
import { signToken, verifyToken } from "../auth/token.ts";
import { sleep } from "../clock.ts";
import { MayflyError } from "../errors.ts";
import { encodeTicket } from "../placement/ticket.ts";
import type { Address } from "../placement/types.ts";
import type { CreateJobReply, CreateJobRequest, JobInfo } from "../wire/control-api.ts";
import type { Admission } from "./admission.ts";
import { jobInfo } from "./describe-fleet.ts";
import type { Fleet } from "./fleet.ts";
import { activeNodes, addJob, type EndedJob, endJobs, type Job, leaseJob } from "./fleet-state.ts";
import { planJob } from "./plan-job.ts";
import { notSettled } from "./settlement.ts";

/** Enough that one of them answers; the rest of the fleet is in the map. */
const seedsMax = 3;
/** So long a job whose code is wider than the fleet waits for the nodes that are started for it; callers give up at 10 s. */
const codeWaitMsMax = 5000;
const codeWaitStepMs = 50;

/**
 * Begins a job as soon as all nodes have the rows of now.
 *
 * @param url what the ticket names as the controller
 * @throws MayflyError what `planJob` and `Admission.admit` throw; UNAVAILABLE when nodes do not catch up.
 */
export async function createJob(
  fleet: Fleet,
  request: CreateJobRequest,
  url: string,
  admission: Admission,
): Promise<CreateJobReply> {
  const { nodesInitial, clock, deadAfterMs, heartbeatMs, log } = fleet.settings;
  planJob(fleet.state, request, nodesInitial, 0, admission.nodesMost(fleet.state));
  // A node that stays behind so long is dead by then.
  await fleet.settlement.wait(deadAfterMs + 2 * heartbeatMs);
  let readyInMs = 0;
  const after = await fleet.change((state) => {
    const behind = fleet.settlement.behind(state);
    if (behind.length > 0) throw notSettled(behind, state);
    const wallMs = Math.trunc(clock.wallMs());
    const planned = planJob(state, request, nodesInitial, wallMs, admission.nodesMost(state));
    readyInMs = admission.admit(state, planned.hints, planned.code);
    return addJob(state, planned);
  });
  const job = after.jobs.at(-1)!;
  fleet.vitals.renew(job.number, clock.now());
  log(`job ${job.number} ${JSON.stringify(job.name)} began`);
  const beganAtMs = clock.now();
  if (readyInMs > 0) {
    admission.grow();
    await untilCodeFits(fleet, job);
  }
  const { ticket, token } = createTicket(fleet, job, url, request.tokenTtlMs);
  const leftMs = Math.max(0, Math.ceil(readyInMs - (clock.now() - beganAtMs)));
  return { job: jobInfo(job, fleet.vitals, clock.now()), ticket, token, readyInMs: leftMs };
}

/** Before that it could not write a single object. */
async function untilCodeFits(fleet: Fleet, { number, code }: Job): Promise<void> {
  const { clock } = fleet.settings;
  const untilMs = clock.now() + codeWaitMsMax;
  const isAlive = (): boolean => fleet.state.jobs.some((job) => job.number === number);
  while (activeNodes(fleet.state).length < code.d + code.p && clock.now() < untilMs && isAlive()) {
    await sleep(clock, codeWaitStepMs);
  }
}

/** Those alive and the last that ended, in ascending order of number. */
export function listJobs(fleet: Fleet): JobInfo[] {
  const nowMs = fleet.settings.clock.now();
  return [...fleet.state.ended, ...fleet.state.jobs]
    .sort((a, b) => a.number - b.number)
    .map((job) => jobInfo(job, fleet.vitals, nowMs));
}

/** @throws MayflyError JOB_UNKNOWN, or JOB_ENDED when it ended so long ago that nothing is known of it any more. */
export function findJob(fleet: Fleet, number: number): JobInfo {
  const ended = fleet.state.ended.find((job) => job.number === number);
  return jobInfo(ended ?? livingJob(fleet, number), fleet.vitals, fleet.settings.clock.now());
}

/** Renews a lease, from grace too, and can give it another length. @throws MayflyError JOB_UNKNOWN, JOB_ENDED */
export async function extendJob(fleet: Fleet, number: number, leaseMs: number | undefined): Promise<JobInfo> {
  const job = livingJob(fleet, number);
  fleet.vitals.renew(number, fleet.settings.clock.now());
  if (leaseMs !== undefined && leaseMs !== job.leaseMs) {
    await fleet.change((state) => leaseJob(state, number, leaseMs));
  }
  return findJob(fleet, number);
}

/** Ends a job; to end it again answers the same. @throws MayflyError JOB_UNKNOWN, JOB_ENDED as `findJob`. */
export async function endJob(fleet: Fleet, number: number): Promise<JobInfo> {
  if (fleet.state.jobs.some((job) => job.number === number)) {
    const endedAtMs = Math.trunc(fleet.settings.clock.wallMs());
    await fleet.change((state) => endJobs(state, new Set([number]), endedAtMs));
    fleet.settings.log(`job ${number} was ended`);
  }
  return findJob(fleet, number);
}

/** A new token and ticket. `ttlMs` is 24 hours unless the controller was told otherwise. */
export function createTicket(
  fleet: Fleet,
  job: Job,
  url: string,
  ttlMs: number = fleet.settings.tokenTtlMs,
): { ticket: string; token: string } {
  const expiresAtMs = Math.trunc(fleet.settings.clock.wallMs()) + ttlMs;
  const claims = { scope: "job", job: job.number, node: 0, expiresAtMs } as const;
  const token = signToken(fleet.keys.privateKey, claims);
  return { token, ticket: ticketWith(fleet, job, url, token) };
}

/** The ticket around a token that its holder already has. */
export function ticketWith(fleet: Fleet, job: Job, url: string, token: string): string {
  return encodeTicket({
    seeds: drawSeeds(fleet),
    controllerUrl: url,
    job: job.number,
    code: job.code,
    token,
  });
}

/** The job, alive or in grace. @throws MayflyError JOB_UNKNOWN, JOB_ENDED */
export function livingJob(fleet: Fleet, number: number): Job {
  const job = fleet.state.jobs.find((candidate) => candidate.number === number);
  if (job !== undefined) return job;
  if (number <= fleet.state.highestJob) throw new MayflyError("JOB_ENDED", endedText(fleet, number));
  throw new MayflyError("JOB_UNKNOWN", `no job ${number} was ever created here; see: mayfly job ls`);
}

/**
 * Checks the token of a request for a job and renews the job's lease.
 *
 * @throws MayflyError TOKEN_INVALID, TOKEN_EXPIRED, FORBIDDEN when it is no token of that job, JOB_UNKNOWN, JOB_ENDED
 */
export function authenticateJob(fleet: Fleet, token: string, number?: number): Job {
  const claims = verifyToken(fleet.keys.publicKey, token, fleet.settings.clock.wallMs());
  if (claims.scope !== "job")
    throw new MayflyError("FORBIDDEN", "this is a node's token, and jobs take a job's");
  if (number !== undefined && claims.job !== number) {
    throw new MayflyError("FORBIDDEN", `the token is of job ${claims.job} and does not open job ${number}`);
  }
  const job = livingJob(fleet, claims.job);
  fleet.vitals.renew(job.number, fleet.settings.clock.now());
  return job;
}

function endedText(fleet: Fleet, number: number): string {
  const ended: EndedJob | undefined = fleet.state.ended.find((job) => job.number === number);
  const when = ended === undefined ? "" : ` at ${new Date(ended.endedAtMs).toISOString()}`;
  return `job ${number} ended${when} and its data are freed; begin another: mayfly job create`;
}

/** Some active nodes, other ones each time, so that not all functions begin at the same. */
function drawSeeds(fleet: Fleet): Address[] {
  const nodes = activeNodes(fleet.state);
  const seeds: Address[] = [];
  while (seeds.length < seedsMax && nodes.length > 0) {
    const [node] = nodes.splice(Math.floor(fleet.settings.rng.random() * nodes.length), 1);
    seeds.push({ host: node!.host, port: node!.port });
  }
  return seeds;
}
