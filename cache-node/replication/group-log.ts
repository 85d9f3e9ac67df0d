/**
 * What of a group's log is on all members of its row. Pure: positions are the sequences of effects; backups acknowledge
 * them, and callbacks run once a position is on every backup. Nothing is answered before that.
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

  /** This node leads from now on. What it has may not be on all members: nothing counts as committed yet. */
  begin(position: number, backups: readonly NodeId[]): void {
    this.#position = position;
    this.#committed = 0;
    this.#acknowledged = new Map(backups.map((id) => [id, 0]));
  }

  /** Without those that are not listed. Nobody is added: see `include`. */
  keepBackups(backups: readonly NodeId[]): void {
    for (const id of this.#acknowledged.keys()) if (!backups.includes(id)) this.#acknowledged.delete(id);
    this.#advance();
  }

  /** From now on nothing is committed without this one, which has everything up to `position`. */
  include(backup: NodeId, position: number): void {
    this.#acknowledged.set(backup, Math.max(position, this.#acknowledged.get(backup) ?? 0));
  }

  includes(backup: NodeId): boolean {
    return this.#acknowledged.has(backup);
  }

  /** Those without whom nothing is committed. */
  get backups(): IterableIterator<NodeId> {
    return this.#acknowledged.keys();
  }

  /** The newest position that the backup has acknowledged; 0 when it is none. */
  acknowledgedBy(backup: NodeId): number {
    return this.#acknowledged.get(backup) ?? 0;
  }

  /** The next position, of an effect that was just applied. Without backups it is committed at once. */
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

  /** This node leads no more: what has not been acknowledged by all will not be answered here. */
  resign(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#acknowledged = new Map();
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
