/**
 * Grants: a backup promises a primary that until some time it will not take part in a row that another node leads. A
 * primary reads from its own memory only while it holds the grants of all its backups, so nobody can have acknowledged
 * anything newer. Both sides count from before the other does: the holder from when it asked, the giver from when it
 * answered. A holder takes a grant as over when the monotonic or the wall clock says so, since the monotonic one stands
 * still while a machine is frozen; a giver waits until its monotonic clock says so.
 *
 * A grant is for all rows that the two share in the map that both have when it is given; see rows.ts for what a giver
 * does when the map moves on.
 */
import type { Clock } from "../../src/clock.ts";
import type { NodeId } from "../../src/ids.ts";

interface Held {
  readonly untilMs: number;
  readonly fromWallMs: number;
  readonly untilWallMs: number;
}

/** What clocks of two machines may differ by in speed; holders stop so much early. */
const driftShare = 0.05;

export class Grants {
  readonly #clock: Clock;
  readonly #given = new Map<NodeId, number>();
  readonly #held = new Map<NodeId, Held>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Promises it to a primary. */
  give(primary: NodeId, grantMs: number): void {
    const untilMs = this.#clock.now() + grantMs;
    if (untilMs > this.givenUntilMs(primary)) this.#given.set(primary, untilMs);
  }

  /** Until when this node is bound by what it promised, in monotonic time; 0 when it never was. */
  givenUntilMs(primary: NodeId): number {
    return this.#given.get(primary) ?? 0;
  }

  /** A backup has answered. @param askedMs, askedWallMs when it was asked */
  hold(backup: NodeId, askedMs: number, askedWallMs: number, grantMs: number): void {
    const lastsMs = grantMs * (1 - driftShare);
    this.#held.set(backup, {
      untilMs: askedMs + lastsMs,
      fromWallMs: askedWallMs,
      untilWallMs: askedWallMs + lastsMs,
    });
  }

  holds(backup: NodeId): boolean {
    const held = this.#held.get(backup);
    if (held === undefined || this.#clock.now() >= held.untilMs) return false;
    const wallMs = this.#clock.wallMs();
    return wallMs < held.untilWallMs && wallMs >= held.fromWallMs - wallStepMs;
  }

  /** Forgets nodes that are gone. */
  retain(nodes: ReadonlySet<NodeId>): void {
    for (const id of this.#held.keys()) if (!nodes.has(id)) this.#held.delete(id);
    const nowMs = this.#clock.now();
    for (const [id, untilMs] of this.#given) if (!nodes.has(id) && untilMs < nowMs) this.#given.delete(id);
  }
}

/** Wall clocks are set back a little now and then; more than this and they say nothing about a grant. */
const wallStepMs = 50;
