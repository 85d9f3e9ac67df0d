/** The nodes that this one cannot reach now, for the controller: it alone decides what that means. */
import type { NodeId } from "../../src/ids.ts";

export class Unreachable {
  readonly #nodes = new Set<NodeId>();
  readonly #onNews: () => void;

  /** @param onNews a node was added that was not there */
  constructor(onNews: () => void) {
    this.#onNews = onNews;
  }

  add(node: NodeId): void {
    if (this.#nodes.has(node)) return;
    this.#nodes.add(node);
    this.#onNews();
  }

  delete(node: NodeId): void {
    this.#nodes.delete(node);
  }

  retain(alive: (node: NodeId) => boolean): void {
    for (const node of this.#nodes) if (!alive(node)) this.#nodes.delete(node);
  }

  list(): NodeId[] {
    return [...this.#nodes];
  }
}
