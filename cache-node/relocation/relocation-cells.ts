/**
 * What relocation needs of the cells of the groups that this node leads. Nothing here is answered from what is not on
 * all members of the row, unless it says so.
 */
import type { Group, JobNumber, ObjectId } from "../../src/ids.ts";

export interface CommittedRef {
  readonly job: JobNumber;
  readonly name: string;
  /** Encoded ref; valid until the next await. */
  readonly value: Uint8Array;
}

export interface RelocationCells {
  /** The groups that this node leads and serves, though another node may lead one of them by now; see `reads`. */
  groups(): Iterable<Group>;
  /** Whether this node serves the group, and nobody else can have changed anything of it. May come and go. */
  reads(group: Group): boolean;
  /** Keys of the group whose cell is a ref, of all jobs. Cells may change while this is walked. */
  refs(group: Group): Iterable<CommittedRef>;
  /** A copy of the ref that the key holds now, if it holds one; it may still be on its way to the other members. */
  ref(job: JobNumber, group: Group, name: string): Uint8Array | undefined;
  /**
   * Puts `value` in the place of the ref of `object`, whose version stays. True when that is on all members; false, and
   * nothing was done, when the key holds another object or nothing.
   * @throws MayflyError MOVED when this node stops leading the row first: then nobody here knows whether it was done
   */
  relocate(job: JobNumber, group: Group, name: string, object: ObjectId, value: Uint8Array): Promise<boolean>;
  /**
   * Makes sure that the object is never committed. True when that is on all members; false, and nothing was done, when a
   * key of the group holds it.
   * @throws MayflyError MOVED as above
   */
  abort(job: JobNumber, group: Group, object: ObjectId): Promise<boolean>;
}
