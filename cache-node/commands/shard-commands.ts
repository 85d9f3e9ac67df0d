/**
 * MF.SHARD.*: storing, reading and freeing the shards of objects. A job's functions PUT and GET; nodes that relocate READ and
 * WRITE the same shards of any job, which neither counts against its quota nor renews its lease.
 */
import type { TokenClaims, TokenScope } from "../../src/auth/token.ts";
import { sleep } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import { type JobNumber, jobNumber, type ObjectId, objectId } from "../../src/ids.ts";
import type { BodyTarget } from "../../src/wire/command-decoder.ts";
import { frameBytes, frameCount, shardBytesMax, stripesMax } from "../../src/wire/stripe-layout.ts";
import type { NodeCore } from "../node-core.ts";
import { type Call, type Command, jobOf, numberArg, textArg } from "../server/call.ts";
import type { BodyRouter } from "../server/client-connection.ts";
import type { Reservation, ShardName, ShardStore } from "../store/shard-store.ts";

const runsMax = 256;
const replyBytesMax = 4 * 1024 * 1024;
const sumBytes = 8;
const shardsMax = 255;
const word = 2 ** 32 - 1;

/** The two commands that store a shard: its name begins at argument `at`, sums and payload follow. */
interface Storing {
  readonly name: string;
  readonly scope: TokenScope;
  readonly at: number;
}

const putting: Storing = { name: "MF.SHARD.PUT", scope: "job", at: 2 };
const writing: Storing = { name: "MF.SHARD.WRITE", scope: "fleet", at: 3 };
const argsAfterAt = 5;

export function shardCommands(core: NodeCore): readonly Command[] {
  const tagged = { tagged: true } as const;
  const store = (storing: Storing): Command => {
    const count = storing.at + argsAfterAt;
    const { name, scope } = storing;
    return {
      ...tagged,
      name,
      scope,
      args: { min: count, max: count },
      handle: (call) => put(core, call, storing),
    };
  };
  return [
    store(putting),
    { ...tagged, name: "MF.SHARD.GET", args: { min: 9 }, scope: "job", handle: (call) => get(core, call) },
    {
      ...tagged,
      name: "MF.SHARD.FREE",
      args: { min: 6 },
      scope: "fleet",
      handle: (call) => free(core, call),
    },
    {
      ...tagged,
      name: "MF.SHARD.READ",
      args: { min: 10 },
      scope: "fleet",
      handle: (call) => read(core, call),
    },
    store(writing),
  ];
}

/** Large payloads are received straight into the job's segment. */
export function shardBodies(core: NodeCore): BodyRouter {
  return {
    target(connection, args, argIndex, argCount, bytes) {
      const storing = storingOf(args[0]!);
      if (storing === undefined || argCount !== storing.at + argsAfterAt || argIndex !== argCount - 1)
        return undefined;
      const job = connection.claims?.scope === storing.scope ? bodyJob(connection.claims, args) : undefined;
      if (job === undefined) return "discard";
      const sums = args[storing.at + 3]!;
      if (bytes > shardBytesMax || sums.length !== frameCount(bytes) * sumBytes) return "discard";
      if (core.jobs.ended(job) || (storing === putting && overQuota(core, job, bytes))) return "discard";
      // From here on the job may own memory here, also if the rest of the command never comes.
      core.jobs.note(job);
      if (storing === putting && core.pressure()?.admits(bytes) === false) return "discard";
      const reservation = core.shards.reserve(job, bytes + sums.length);
      if (reservation === undefined) return "discard";
      return { bytes: reservation.block.view().subarray(0, bytes), token: reservation };
    },
    aborted: (target: BodyTarget) => core.shards.drop(target.token as Reservation),
  };
}

function storingOf(command: Buffer): Storing | undefined {
  const name = command.toString("latin1").toUpperCase();
  if (name === putting.name) return putting;
  return name === writing.name ? writing : undefined;
}

/** The job whose shard comes: that of the token, or the one that a node names. */
function bodyJob(claims: TokenClaims, args: readonly Buffer[]): JobNumber | undefined {
  const job = claims.scope === "job" ? claims.job : Number(args[2]!.toString("latin1"));
  return Number.isInteger(job) && job >= 1 && job <= word ? jobNumber(job) : undefined;
}

/** `MF.SHARD.PUT tag object stripe index sums payload`, `MF.SHARD.WRITE tag job object stripe index sums payload` */
function put(core: NodeCore, call: Call, storing: Storing): void | Promise<void> {
  const reservation = call.bodies[0]?.target?.token as Reservation | undefined;
  let kept = false;
  try {
    const job = storing === putting ? jobOf(call) : jobArg(call, 2);
    const name = nameArgs(call, storing.at);
    const sums = call.args[storing.at + 3]!;
    const payloadBytes = call.bodies[0]?.payloadBytes ?? call.args[storing.at + 4]!.length;
    checkSizes(payloadBytes, sums.length);
    if (storing === putting) core.jobs.touch(job);
    else noteAlive(core, job);
    const space = reservation ?? reserveSmall(core, job, call, storing, payloadBytes);
    kept = true;
    space.block.view().set(sums, payloadBytes);
    if (!core.shards.keep(name, space, payloadBytes)) throw endedError(job);
  } finally {
    if (!kept && reservation !== undefined) core.shards.drop(reservation);
  }
  const reply = (): void => call.reply((writer) => writer.simple("OK"));
  const delayMs = storing === putting ? (core.pressure()?.delayMs() ?? 0) : 0;
  if (delayMs > 0) return sleep(core.clock, delayMs).then(reply);
  reply();
}

/** What is repaired renews no lease. @throws MayflyError JOB_ENDED */
function noteAlive(core: NodeCore, job: JobNumber): void {
  if (core.jobs.ended(job)) throw endedError(job);
  core.jobs.note(job);
}

function endedError(job: JobNumber): MayflyError {
  return new MayflyError("JOB_ENDED", `Job ${job} has ended: it takes no more.`);
}

/** A payload that came as a plain argument; one that was discarded is refused here, with the reason. */
function reserveSmall(
  core: NodeCore,
  job: JobNumber,
  call: Call,
  storing: Storing,
  payloadBytes: number,
): Reservation {
  const sums = call.args[storing.at + 3]!;
  if (storing === putting) core.jobs.checkQuota(job, core.memory.job(job).usedBytes, payloadBytes);
  const pressure = storing === putting ? core.pressure() : undefined;
  const discarded = call.bodies.length > 0 || pressure?.admits(payloadBytes) === false;
  const space = discarded ? undefined : core.shards.reserve(job, payloadBytes + sums.length);
  if (space === undefined) {
    if (pressure !== undefined) throw pressure.refusal(core.nodeIdOrZero(), payloadBytes);
    throw new MayflyError(
      "BUSY",
      `Node ${core.nodeIdOrZero()} has no memory for a shard of ${payloadBytes} bytes now.`,
      {
        retryAfterMs: 50,
      },
    );
  }
  space.block.view().set(call.args[storing.at + 4]!);
  return space;
}

/**
 * `MF.SHARD.GET tag (object stripe index offset length firstFrame frames)+` -> for each `[sums, payload]`, or null
 * when the shard is not here. Offsets are those of whole frames, but where no frames are asked for.
 */
function get(core: NodeCore, call: Call): void {
  const job = jobOf(call);
  core.jobs.touch(job);
  replyRuns(core, call, job, 2);
}

/** `MF.SHARD.READ tag job (object stripe index offset length firstFrame frames)+`, answered like GET */
function read(core: NodeCore, call: Call): void {
  const job = jobArg(call, 2);
  if (core.jobs.ended(job)) throw endedError(job);
  replyRuns(core, call, job, 3);
}

function replyRuns(core: NodeCore, call: Call, job: JobNumber, at: number): void {
  const count = (call.args.length - at) / 7;
  if (!Number.isInteger(count) || count > runsMax) {
    const name = textArg(call, 0).toUpperCase();
    throw new MayflyError("INVALID_ARGUMENT", `${name} takes up to ${runsMax} runs of 7 arguments each.`);
  }
  const runs = Array.from({ length: count }, (_, i) => runArgs(core.shards, job, call, at + i * 7));
  const bytes = runs.reduce((sum, run) => sum + run.length, 0);
  if (bytes > replyBytesMax) {
    throw new MayflyError(
      "TOO_LARGE",
      `One request for shards returns up to ${replyBytesMax} bytes, not ${bytes}; ask for fewer.`,
    );
  }
  call.reply((writer) => {
    writer.arrayHeader(runs.length);
    for (const { shard, offset, length, firstFrame, frames } of runs) {
      if (shard === undefined) {
        writer.null();
        continue;
      }
      const view = shard.block.view();
      const sumsAt = shard.payloadBytes + firstFrame * sumBytes;
      writer.arrayHeader(2);
      writer.bulk(view.subarray(sumsAt, sumsAt + frames * sumBytes));
      writer.bulk(view.subarray(offset, offset + length));
      call.connection.pinUntilSent(shard.block);
    }
  });
}

interface Run {
  readonly shard: ReturnType<ShardStore["get"]>;
  readonly offset: number;
  readonly length: number;
  readonly firstFrame: number;
  readonly frames: number;
}

function runArgs(shards: ShardStore, job: JobNumber, call: Call, at: number): Run {
  const shard = shards.get(job, nameArgs(call, at));
  const offset = numberArg(call, at + 3, shardBytesMax, "offset");
  const length = numberArg(call, at + 4, shardBytesMax, "length");
  const firstFrame = numberArg(call, at + 5, shardBytesMax, "first frame");
  const frames = numberArg(call, at + 6, shardBytesMax, "frames");
  if (shard !== undefined) {
    const { payloadBytes } = shard;
    const sumsBytes = shard.block.length - payloadBytes;
    if (
      offset + length > payloadBytes ||
      (firstFrame + frames) * sumBytes > sumsBytes ||
      // Who asks for no sums has its own, for bytes that begin anywhere.
      (frames > 0 && offset % frameBytes !== 0)
    ) {
      throw new MayflyError(
        "INVALID_ARGUMENT",
        `The run ${offset}+${length} does not lie in the shard's ${payloadBytes} bytes.`,
      );
    }
  }
  return { shard, offset, length, firstFrame, frames };
}

/** `MF.SHARD.FREE tag job (object stripe index)+` -> how many were here */
function free(core: NodeCore, call: Call): void {
  const job = jobArg(call, 2);
  if ((call.args.length - 3) % 3 !== 0) {
    throw new MayflyError("INVALID_ARGUMENT", "MF.SHARD.FREE takes object, stripe and index of each shard.");
  }
  let freed = 0;
  for (let at = 3; at < call.args.length; at += 3) if (core.shards.free(job, nameArgs(call, at))) freed += 1;
  call.reply((writer) => writer.integer(freed));
}

/** @throws MayflyError INVALID_ARGUMENT */
export function jobArg(call: Call, at: number): JobNumber {
  const job = numberArg(call, at, word, "job");
  if (job > 0) return jobNumber(job);
  throw new MayflyError("INVALID_ARGUMENT", "The numbers of jobs begin with 1.");
}

/** Object, stripe and index of a shard. @throws MayflyError INVALID_ARGUMENT */
export function nameArgs(call: Call, at: number): ShardName {
  const object = objectArg(call, at);
  const stripe = numberArg(call, at + 1, stripesMax - 1, "stripe");
  return { object, stripe, index: numberArg(call, at + 2, shardsMax - 1, "shard index") };
}

/** @throws MayflyError INVALID_ARGUMENT */
export function objectArg(call: Call, at: number): ObjectId {
  const bytes = call.args[at]!;
  if (bytes.length === 16) return objectId(bytes);
  throw new MayflyError("INVALID_ARGUMENT", `An object id has 16 bytes, not ${bytes.length}.`);
}

function checkSizes(payloadBytes: number, sumsBytes: number): void {
  if (payloadBytes > shardBytesMax) {
    throw new MayflyError("TOO_LARGE", `A shard has up to ${shardBytesMax} bytes, not ${payloadBytes}.`);
  }
  if (sumsBytes !== frameCount(payloadBytes) * sumBytes) {
    throw new MayflyError(
      "INVALID_ARGUMENT",
      "A shard comes with one 8-byte checksum for each frame of 16 KiB.",
    );
  }
}

function overQuota(core: NodeCore, job: JobNumber, bytes: number): boolean {
  try {
    core.jobs.checkQuota(job, core.memory.job(job).usedBytes, bytes);
    return false;
  } catch {
    return true;
  }
}
