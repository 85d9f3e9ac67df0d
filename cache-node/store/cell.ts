import { asBuffer } from "../../src/wire/as-buffer.ts";
import type { CellKind, Effect } from "../../src/wire/cell.ts";
import type { Version } from "../../src/wire/version.ts";
import type { Block } from "./segment.ts";

/**
 * What a key holds. The next effect on the key changes it in place, so that an overwrite leaves nothing behind that V8
 * would take to be long-lived: whoever awaits something keeps a copy, and the block pinned.
 */
export class Cell {
  kind: CellKind;
  /** In the group's log: the newest effect on this key. */
  position: number;
  /** Wall clock; 0 for never. */
  expiresAtMs: number;
  /**
   * Undefined for what is left of a deleted or expired key. Empty for a collection, whose elements the store has beside the
   * cells.
   */
  block: Block | undefined;
  #generation: number;
  #sequence: number;

  constructor(effect: Pick<Effect, "kind" | "version" | "expiresAtMs">, position: number, block?: Block) {
    this.kind = effect.kind as CellKind;
    this.position = position;
    this.expiresAtMs = effect.expiresAtMs;
    this.block = block;
    this.#generation = effect.version.generation;
    this.#sequence = effect.version.sequence;
  }

  get version(): Version {
    return { generation: this.#generation, sequence: this.#sequence };
  }

  set version({ generation, sequence }: Version) {
    this.#generation = generation;
    this.#sequence = sequence;
  }

  copy(): Cell {
    return new Cell(this, this.position, this.block);
  }
}

/** Keys are bytes; as latin-1 they take one byte a character and keep their order. */
export function cellName(key: Uint8Array): string {
  return asBuffer(key).toString("latin1");
}
