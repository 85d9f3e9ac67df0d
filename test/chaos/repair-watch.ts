/** When what a lost node held is whole again, as far as the controller tells. */
import { type Clock, sleep } from "../../src/clock.ts";
import type { ChaosOptions } from "./command-line.ts";
import type { ChaosFleet } from "./fleet.ts";
import type { FleetStatus } from "./status.ts";

const pollMs = 300;
/** What nodes report arrives with their heartbeats: so many of them must agree. */
const heartbeatsToBelieve = 4;

/**
 * Milliseconds until the controller knew that the node was dead and reported repair finished; undefined when it did not
 * within `repairWithinMs`. A controller that says nothing of repair is believed after `repairWaitMs`.
 */
export async function untilRepaired(watched: {
  readonly fleet: ChaosFleet;
  readonly clock: Clock;
  readonly options: ChaosOptions;
  /** Of the node that was lost; 0: only whether everything is whole. */
  readonly id: number;
}): Promise<number | undefined> {
  const { fleet, clock, options, id } = watched;
  const startMs = clock.now();
  let deadSinceMs: number | undefined;
  let wholeSinceMs: number | undefined;
  for (;;) {
    const nowMs = clock.now();
    if (nowMs - startMs > options.repairWithinMs) return undefined;
    const status = await fleet.status().catch(() => undefined);
    if (status !== undefined && isDead(status, id)) {
      deadSinceMs ??= nowMs;
      if (status.objectsToMove === undefined) {
        if (nowMs - deadSinceMs >= options.repairWaitMs) return nowMs - startMs;
      } else {
        if (!isWhole(status)) wholeSinceMs = undefined;
        else wholeSinceMs ??= nowMs;
        const believedMs = heartbeatsToBelieve * options.heartbeatMs;
        if (wholeSinceMs !== undefined && nowMs - wholeSinceMs >= believedMs) return nowMs - startMs;
      }
    } else if (status === undefined) wholeSinceMs = undefined;
    await sleep(clock, pollMs);
  }
}

function isDead({ nodes }: FleetStatus, id: number): boolean {
  return (nodes.find((node) => node.id === id)?.state ?? "dead") === "dead";
}

function isWhole({ rows, objectsToMove }: FleetStatus): boolean {
  return objectsToMove === 0 && rows.full === rows.total && rows.withoutPrimary === 0 && rows.pending === 0;
}
