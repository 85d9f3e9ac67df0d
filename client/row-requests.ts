/**
 * Requests to the row of a key: finds the member to ask, follows the map when it moves, backs off when a node is
 * busy or away, and ends by the call's deadline.
 */
import { MayflyError } from "../src/errors.ts";
import type { Group } from "../src/ids.ts";
import { groupOf } from "../src/placement/groups.ts";
import type { FleetMap, NodeEntry } from "../src/placement/types.ts";
import type { RespValue } from "../src/wire/resp-value.ts";
import type { ClientContext } from "./context.ts";
import type { Argument } from "./transport/connection.ts";
import { checkDeadline, type Deadline } from "./transport/deadline.ts";

const backoffMsMin = 10;
const backoffMsMax = 300;

/** One command to the row of a key. */
export interface RowRequest {
  readonly key: Uint8Array;
  readonly command: string;
  /** The arguments, the caller's epoch first; asked for before each attempt. */
  readonly argsOf: (epoch: string) => readonly Argument[];
}

/**
 * Sends the request to the member of the key's row that serves such access, until it succeeds, fails for good, or the
 * deadline passes. The first attempt, which mostly is the only one, goes out without a turn of its own.
 * @throws MayflyError what the node answers; what it failed with last, or DEADLINE_EXCEEDED, when time is over
 */
export function askRow(context: ClientContext, request: RowRequest, deadline: Deadline): Promise<RespValue> {
  const group = groupOf(request.key);
  const { view } = context;
  const map = view.current;
  view.keepFresh(context.clock);
  if (map === undefined) return askAgain(context, request, group, deadline, undefined);
  let asked: Promise<RespValue>;
  try {
    asked = attempt(context, request, group, map, deadline);
  } catch (thrown) {
    return askAgain(context, request, group, deadline, thrown);
  }
  return asked.catch((thrown: unknown) => askAgain(context, request, group, deadline, thrown));
}

function attempt(
  context: ClientContext,
  { command, argsOf }: RowRequest,
  group: Group,
  map: FleetMap,
  deadline: Deadline,
): Promise<RespValue> {
  const member = memberFor(map, context, group);
  const connection = context.pool.connection(member, "small");
  return connection.request(command, argsOf(context.view.epochText), { deadline });
}

/** @param failure why the first attempt came to nothing; undefined when there was none */
async function askAgain(
  context: ClientContext,
  request: RowRequest,
  group: Group,
  deadline: Deadline,
  failure: unknown,
): Promise<RespValue> {
  let backoffMs = backoffMsMin;
  let thrown = failure;
  for (;;) {
    if (thrown !== undefined) {
      const error = MayflyError.from(thrown);
      if (!worthRetrying(error)) throw error;
      const delayMs = Math.max(error.retryAfterMs ?? 0, backoffMs * (0.5 + context.rng.random()));
      if (error.kind !== "busy") await context.view.refresh(deadline).catch(() => undefined);
      await context.view.pause(deadline, delayMs, error);
      backoffMs = Math.min(backoffMsMax, backoffMs * 2);
    }
    checkDeadline(deadline, thrown);
    const map = await context.view.ready(deadline);
    try {
      return await attempt(context, request, group, map, deadline);
    } catch (again) {
      thrown = again;
    }
  }
}

/** Errors that go away by themselves: the map moves on, a node comes back, a row is served again, memory is freed. */
export function worthRetrying(error: MayflyError): boolean {
  const { code } = error;
  return (
    code === "MOVED" ||
    code === "NODE_UNREACHABLE" ||
    code === "BUSY" ||
    (code === "UNAVAILABLE" && error.retryAfterMs !== undefined)
  );
}

/** The primary of the group's row. @throws MayflyError UNAVAILABLE, worth retrying, while there is none */
export function memberFor(map: FleetMap, context: ClientContext, group: Group): NodeEntry {
  const id = map.rows[group]?.nodes[0];
  const primary = id && context.view.node(id);
  if (primary && primary.state !== "dead") return primary;
  throw new MayflyError("UNAVAILABLE", `No node leads group ${group} now; another will.`, {
    retryAfterMs: 50,
  });
}
