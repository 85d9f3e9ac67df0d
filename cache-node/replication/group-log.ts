/**
 * What of a group's log is on all members of its row. Pure: effects get positions as they are logged, backups
 * acknowledge positions, and callbacks run once a position is on every backup. Nothing is answered before that.
 */
import type { NodeId } from "../../src/ids.ts";

export class GroupLog {
  #position = 0;
  #committed = 0;
  /** Newest position that each backup has acknowledged. */
  #acknowledged = new Map<NodeId, number>();
  #waiting: { readonly position: number; readonly run: (committed: boolean) => void }[] = [];

  get position(): number {
    return this.#position;
  }

  get committed(): number {
    return this.#committed;
  }

  /** A backup that is new here has nothing to acknowledge before what is logged from now on. */
  setBackups(backups: readonly NodeId[]): void {
    this.#acknowledged = new Map(backups.map((id) => [id, this.#acknowledged.get(id) ?? this.#position]));
    this.#advance();
  }

  /** The position of an effect that was just applied. Without backups it is committed at once. */
  append(): number {
    this.#position += 1;
    if (this.#acknowledged.size === 0) this.#advance();
    return this.#position;
  }

  acknowledge(backup: NodeId, position: number): void {
    const known = this.#acknowledged.get(backup);
    if (known === undefined || known >= position) return;
    this.#acknowledged.set(backup, position);
    this.#advance();
  }

  /**
   * Runs `run` with true now or as soon as `position` is committed (of one acknowledgement, in the order asked for), or
   * with false when this node resigns before.
   */
  whenCommitted(position: number, run: (committed: boolean) => void): void {
    if (position <= this.#committed) run(true);
    else this.#waiting.push({ position, run });
  }

  /** This node is not the primary any more: what has not been acknowledged by all will not be answered here. */
  resign(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#acknowledged = new Map();
    this.#committed = this.#position;
    for (const { run } of waiting) run(false);
  }

  #advance(): void {
    let committed = this.#position;
    for (const acknowledged of this.#acknowledged.values()) committed = Math.min(committed, acknowledged);
    if (committed <= this.#committed) return;
    this.#committed = committed;
    if (this.#waiting.length === 0) return;
    const ready = this.#waiting.filter((entry) => entry.position <= committed);
    if (ready.length === 0) return;
    this.#waiting = this.#waiting.filter((entry) => entry.position > committed);
    for (const { run } of ready) run(true);
  }
}
