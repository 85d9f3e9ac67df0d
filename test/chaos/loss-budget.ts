/**
 * How many nodes may be lost before what they held is repaired: a fault asks first for each node that it may cost. A node
 * counts from the moment the fault begins until it is known to live, or repair is reported finished.
 */
export class LossBudget {
  readonly #max: number;
  readonly #taken = new Set<string>();
  #most = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get left(): number {
    return this.#max - this.#taken.size;
  }

  /** The most that were taken at once: more than allowed if nodes went by themselves. */
  get most(): number {
    return this.#most;
  }

  /** Takes all of them or none. */
  take(nodes: readonly string[]): boolean {
    const more = nodes.filter((node) => !this.#taken.has(node));
    if (more.length > this.left) return false;
    for (const node of more) this.force(node);
    return true;
  }

  /** For a node that is lost whether it may be or not. */
  force(node: string): void {
    this.#taken.add(node);
    this.#most = Math.max(this.#most, this.#taken.size);
  }

  release(node: string): void {
    this.#taken.delete(node);
  }

  has(node: string): boolean {
    return this.#taken.has(node);
  }
}
