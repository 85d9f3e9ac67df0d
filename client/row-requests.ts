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
import type { Connection } from "./transport/connection.ts";
import { checkDeadline, type Deadline, pause } from "./transport/deadline.ts";

export type Access = "read" | "write";

const backoffMsMin = 10;
const backoffMsMax = 300;

/**
 * Calls `send` with a connection to the member of the key's row that serves such access, until it succeeds, fails
 * for good, or the deadline passes.
 * @throws MayflyError UNAVAILABLE for writes when the primary is dead; LOST for reads when all members are
 */
export async function askRow(
  context: ClientContext,
  key: Uint8Array,
  access: Access,
  deadline: Deadline,
  send: (connection: Connection, epoch: string) => Promise<RespValue>,
): Promise<RespValue> {
  const group = groupOf(key);
  let backoffMs = backoffMsMin;
  let last: unknown;
  for (;;) {
    checkDeadline(deadline, last);
    const map = context.view.current ?? (await context.view.ready(deadline));
    try {
      const member = memberFor(map, context, group, access);
      return await send(context.pool.connection(member, "small"), context.view.epochText);
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      if (!worthRetrying(error)) throw error;
      last = error;
      const delayMs = Math.max(error.retryAfterMs ?? 0, backoffMs * (0.5 + context.rng.random()));
      if (error.kind !== "busy") await context.view.refresh(deadline).catch(() => undefined);
      await pause(deadline, delayMs, error);
      backoffMs = Math.min(backoffMsMax, backoffMs * 2);
    }
  }
}

/** Errors that go away by themselves: the map moves on, a node comes back, memory is freed. */
export function worthRetrying(error: MayflyError): boolean {
  return error.code === "MOVED" || error.code === "NODE_UNREACHABLE" || error.code === "BUSY";
}

/** The member of the group's row to ask: the primary, or for reads a backup of a dead one. */
export function memberFor(map: FleetMap, context: ClientContext, group: Group, access: Access): NodeEntry {
  const row = map.rows[group];
  const primary = row?.nodes[0] === undefined ? undefined : context.view.node(row.nodes[0]);
  if (primary !== undefined && primary.state !== "dead") return primary;
  const members = (row?.nodes ?? []).map((id) => context.view.node(id));
  if (access === "read") {
    const backup = members.find((member) => member !== undefined && member.state !== "dead");
    if (backup !== undefined) return backup;
  }
  if (members.length === 0) throw new MayflyError("MOVED", "The fleet is still forming: it has no rows yet.");
  if (access === "read") {
    throw new MayflyError(
      "LOST",
      `All ${members.length} nodes that held the keys of group ${group} are dead: whatever this key had is lost.`,
    );
  }
  throw new MayflyError(
    "UNAVAILABLE",
    `The primary of this key (group ${group}, node ${row?.nodes[0]}) is dead, so it takes no writes now; reads go on.`,
  );
}
