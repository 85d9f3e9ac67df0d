/** MF.SHARD.*: storing, reading and freeing the shards of objects. */
import { MayflyError } from "../../src/errors.ts";
import { type JobNumber, jobNumber, type ObjectId, objectId } from "../../src/ids.ts";
import type { BodyTarget } from "../../src/wire/command-decoder.ts";
import { frameBytes, frameCount, shardBytesMax, stripesMax } from "../../src/wire/stripe-layout.ts";
import type { NodeCore } from "../node-core.ts";
import { type Call, type Command, jobOf, numberArg } from "../server/call.ts";
import type { BodyRouter } from "../server/client-connection.ts";
import type { Reservation, ShardName, ShardStore } from "../store/shard-store.ts";

const putName = "MF.SHARD.PUT";
const runsMax = 256;
const replyBytesMax = 4 * 1024 * 1024;
const sumBytes = 8;
const shardsMax = 255;
const word = 2 ** 32 - 1;

export function shardCommands(core: NodeCore): readonly Command[] {
  return [
    {
      name: putName,
      args: { min: 7, max: 7 },
      scope: "job",
      tagged: true,
      handle: (call) => put(core, call),
    },
    { name: "MF.SHARD.GET", args: { min: 9 }, scope: "job", tagged: true, handle: (call) => get(core, call) },
    {
      name: "MF.SHARD.FREE",
      args: { min: 6 },
      scope: "fleet",
      tagged: true,
      handle: (call) => free(core, call),
    },
  ];
}

/** Large payloads of MF.SHARD.PUT are received straight into the job's segment. */
export function shardBodies(core: NodeCore): BodyRouter {
  return {
    target(connection, args, argIndex, argCount, bytes) {
      if (argIndex !== 6 || argCount !== 7 || args[0]!.toString("latin1").toUpperCase() !== putName)
        return undefined;
      const { claims } = connection;
      if (claims?.scope !== "job") return "discard";
      const job = jobNumber(claims.job);
      const sums = args[5]!;
      if (bytes > shardBytesMax || sums.length !== frameCount(bytes) * sumBytes) return "discard";
      if (core.jobs.ended(job) || overQuota(core, job, bytes)) return "discard";
      // From here on the job may own memory here, also if the rest of the command never comes.
      core.jobs.note(job);
      const reservation = core.shards.reserve(job, bytes + sums.length);
      if (reservation === undefined) return "discard";
      return { bytes: reservation.block.view().subarray(0, bytes), token: reservation };
    },
    aborted: (target: BodyTarget) => core.shards.drop(target.token as Reservation),
  };
}

/** `MF.SHARD.PUT tag object stripe index sums payload` */
function put(core: NodeCore, call: Call): void {
  const reservation = call.bodies[0]?.target?.token as Reservation | undefined;
  let kept = false;
  try {
    const job = jobOf(call);
    const name = nameArgs(call, 2);
    const sums = call.args[5]!;
    const payloadBytes = call.bodies[0]?.payloadBytes ?? call.args[6]!.length;
    checkSizes(payloadBytes, sums.length);
    core.jobs.touch(job);
    const space = reservation ?? reserveSmall(core, job, call, payloadBytes);
    kept = true;
    space.block.view().set(sums, payloadBytes);
    if (!core.shards.keep(name, space, payloadBytes)) {
      throw new MayflyError("JOB_ENDED", `Job ${job} has ended: it takes no more.`);
    }
  } finally {
    if (!kept && reservation !== undefined) core.shards.drop(reservation);
  }
  call.reply((writer) => writer.simple("OK"));
}

/** A payload that came as a plain argument; one that was discarded is refused here, with the reason. */
function reserveSmall(core: NodeCore, job: JobNumber, call: Call, payloadBytes: number): Reservation {
  const sums = call.args[5]!;
  core.jobs.checkQuota(job, core.memory.job(job).usedBytes, payloadBytes);
  const discarded = call.bodies.length > 0;
  const space = discarded ? undefined : core.shards.reserve(job, payloadBytes + sums.length);
  if (space === undefined) {
    throw new MayflyError(
      "BUSY",
      `Node ${core.nodeIdOrZero()} has no memory for a shard of ${payloadBytes} bytes now.`,
      {
        retryAfterMs: 50,
      },
    );
  }
  space.block.view().set(call.args[6]!);
  return space;
}

/**
 * `MF.SHARD.GET tag (object stripe index offset length firstFrame frames)+` -> for each `[sums, payload]`, or null
 * when the shard is not here. Offsets are those of whole frames.
 */
function get(core: NodeCore, call: Call): void {
  const job = jobOf(call);
  core.jobs.touch(job);
  const count = (call.args.length - 2) / 7;
  if (!Number.isInteger(count) || count > runsMax) {
    throw new MayflyError(
      "INVALID_ARGUMENT",
      `MF.SHARD.GET takes up to ${runsMax} runs of 7 arguments each.`,
    );
  }
  const runs = Array.from({ length: count }, (_, i) => runArgs(core.shards, job, call, 2 + i * 7));
  const bytes = runs.reduce((sum, run) => sum + run.length, 0);
  if (bytes > replyBytesMax) {
    throw new MayflyError(
      "TOO_LARGE",
      `One MF.SHARD.GET returns up to ${replyBytesMax} bytes, not ${bytes}; ask for fewer.`,
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
      offset % frameBytes !== 0
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
  const job = jobNumber(numberArg(call, 2, word, "job"));
  if ((call.args.length - 3) % 3 !== 0) {
    throw new MayflyError("INVALID_ARGUMENT", "MF.SHARD.FREE takes object, stripe and index of each shard.");
  }
  let freed = 0;
  for (let at = 3; at < call.args.length; at += 3) if (core.shards.free(job, nameArgs(call, at))) freed += 1;
  call.reply((writer) => writer.integer(freed));
}

function nameArgs(call: Call, at: number): ShardName {
  const bytes = call.args[at]!;
  if (bytes.length !== 16)
    throw new MayflyError("INVALID_ARGUMENT", `An object id has 16 bytes, not ${bytes.length}.`);
  const object: ObjectId = objectId(bytes);
  const stripe = numberArg(call, at + 1, stripesMax - 1, "stripe");
  return { object, stripe, index: numberArg(call, at + 2, shardsMax - 1, "shard index") };
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
