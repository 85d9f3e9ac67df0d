/** Counters, lists, hashes, sets and queues of the SDK: one key, one round trip, waits that survive a failover. */
import { MayflyError } from "../src/errors.ts";
import type { RespValue } from "../src/wire/resp-value.ts";
import { mutate, waitMsMaxPerRequest } from "./cells.ts";
import type { ClientContext } from "./context.ts";
import { askRow } from "./row-requests.ts";
import type { Argument } from "./transport/connection.ts";
import { type Deadline, leftMs } from "./transport/deadline.ts";

/** An answer leaves its node so long before the deadline, so that it arrives in time. */
const travelMs = 100;

/**
 * Carries out one operation of `MF.CELL.UPDATE` (docs/PROTOCOL.md), once. Returns its result.
 * @throws MayflyError WRONG_TYPE, TOO_LARGE, QUOTA_EXCEEDED, LOST, JOB_ENDED, UNAVAILABLE, DEADLINE_EXCEEDED, ABORTED
 */
export async function updateCollection(
  context: ClientContext,
  key: Uint8Array,
  operation: string,
  args: readonly Argument[],
  deadline: Deadline,
): Promise<RespValue> {
  const reply = await mutate(context, "MF.CELL.UPDATE", key, ["", 0, key, operation, ...args], deadline);
  if (Array.isArray(reply) && reply.length === 2) return reply[1]!;
  throw new MayflyError("PROTOCOL", "A node answered MF.CELL.UPDATE with something that is no result.");
}

/** As `updateCollection`, for operations that are answered with a number. */
export async function updateNumber(
  context: ClientContext,
  key: Uint8Array,
  operation: string,
  args: readonly Argument[],
  deadline: Deadline,
): Promise<number> {
  const result = await updateCollection(context, key, operation, args, deadline);
  if (typeof result === "number") return result;
  throw new MayflyError("PROTOCOL", `A node answered ${operation} with something that is no number.`);
}

/** What to wait for on the server. */
export interface CollectionWait {
  /** At least so much of what is asked for. */
  readonly count: number;
  /** Whether an answer shows that. */
  readonly isEnough: (value: RespValue) => boolean;
}

/**
 * Asks one question of `MF.CELL.READ`; undefined where nothing is. With `wait` the answer is held back on the server until there is
 * enough, or until shortly before the deadline: then it is what there is. After a failover the new primary is asked.
 * @throws MayflyError WRONG_TYPE, EXPIRED, LOST, JOB_ENDED, UNAVAILABLE, DEADLINE_EXCEEDED, ABORTED
 */
export async function readCollection(
  context: ClientContext,
  key: Uint8Array,
  question: readonly Argument[],
  deadline: Deadline,
  wait?: CollectionWait,
): Promise<RespValue | undefined> {
  const argsOf = (epoch: string, waitMs: number): readonly Argument[] => [
    ...[epoch, wait === undefined ? 0 : waitMs, wait?.count ?? 0, key],
    ...question,
  ];
  for (;;) {
    const value = valueIn(await askWaiting(context, "MF.CELL.READ", key, argsOf, deadline));
    if (wait === undefined || isOver(deadline)) return value;
    if (value !== undefined && wait.isEnough(value)) return value;
  }
}

function valueIn(reply: RespValue): RespValue | undefined {
  if (reply === null) return undefined;
  if (Array.isArray(reply) && reply.length === 4) return reply[3];
  throw new MayflyError("PROTOCOL", "A node answered MF.CELL.READ with something that is no collection.");
}

/** The key's version once it is not the known one any more, undefined where nothing is; shortly before the deadline as it is. */
export async function watchVersion(
  context: ClientContext,
  key: Uint8Array,
  known: string | undefined,
  deadline: Deadline,
): Promise<string | undefined> {
  const argsOf = (epoch: string, waitMs: number): readonly Argument[] => [epoch, waitMs, known ?? "", key];
  for (;;) {
    const reply = await askWaiting(context, "MF.CELL.WATCH", key, argsOf, deadline);
    if (reply !== null && typeof reply !== "string")
      throw new MayflyError("PROTOCOL", "A node answered MF.CELL.WATCH with something that is no version.");
    if (isOver(deadline) || (reply ?? undefined) !== known) return reply ?? undefined;
  }
}

/** Too late for another wait. */
function isOver(deadline: Deadline): boolean {
  return leftMs(deadline) < travelMs + 10;
}

/** One request that may be held back; when its node moves or goes away it is sent again, with what is left of the wait. */
function askWaiting(
  context: ClientContext,
  command: string,
  key: Uint8Array,
  argsOf: (epoch: string, waitMs: number) => readonly Argument[],
  deadline: Deadline,
): Promise<RespValue> {
  const waitMs = (): number =>
    Math.max(0, Math.ceil(Math.min(waitMsMaxPerRequest, leftMs(deadline) - travelMs)));
  return askRow(context, { key, command, argsOf: (epoch) => argsOf(epoch, waitMs()) }, deadline);
}
