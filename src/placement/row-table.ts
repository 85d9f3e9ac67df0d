/**
 * Rows while they are being planned: nodes are small indexes, and how many rows each node is in, how many it leads and
 * how many each pair of nodes shares are kept up to date, so that the planner's questions cost no scan.
 */

export type ZonePolicy = "pack" | "spread";

export class RowTable {
  readonly nodeCount: number;
  /** By row: the indexes of its nodes, primary first. */
  readonly rows: number[][];
  /** By node: how many rows it is in. */
  readonly memberships: Int32Array;
  /** By node: how many rows it is the primary of. */
  readonly primaries: Int32Array;
  readonly #shared: Int32Array;
  readonly #zones: readonly number[];
  readonly #policy: ZonePolicy;

  /** `zones` has a number for each node; equal numbers are the same zone. */
  constructor(zones: readonly number[], policy: ZonePolicy, rows: readonly (readonly number[])[]) {
    this.nodeCount = zones.length;
    this.memberships = new Int32Array(zones.length);
    this.primaries = new Int32Array(zones.length);
    this.#shared = new Int32Array(zones.length ** 2);
    this.#zones = zones;
    this.#policy = policy;
    this.rows = rows.map(() => []);
    for (const [row, nodes] of rows.entries()) for (const node of nodes) this.add(row, node);
  }

  /** How many rows have both. */
  shared(a: number, b: number): number {
    return this.#shared[a * this.nodeCount + b]!;
  }

  /** Appends a node; it becomes the primary of an empty row. */
  add(row: number, node: number): void {
    const nodes = this.rows[row]!;
    if (nodes.length === 0) this.primaries[node]!++;
    this.#count(nodes, node, 1);
    nodes.push(node);
  }

  /** Puts `next` where `node` is, in rank too. */
  replace(row: number, node: number, next: number): void {
    const nodes = this.rows[row]!;
    const at = nodes.indexOf(node);
    if (at === 0) {
      this.primaries[node]!--;
      this.primaries[next]!++;
    }
    nodes.splice(at, 1);
    this.#count(nodes, node, -1);
    this.#count(nodes, next, 1);
    nodes.splice(at, 0, next);
  }

  /** Makes a member the primary; the others keep their order. */
  promote(row: number, node: number): void {
    const nodes = this.rows[row]!;
    this.primaries[nodes[0]!]!--;
    this.primaries[node]!++;
    nodes.splice(nodes.indexOf(node), 1);
    nodes.unshift(node);
  }

  /** How well a node suits the zones of the others in a row (without `except`); higher is better. */
  zoneFit(row: number, node: number, except = -1): number {
    let alike = 0;
    for (const other of this.rows[row]!) {
      if (other !== except && this.#zones[other] === this.#zones[node]) alike++;
    }
    return this.#policy === "pack" ? alike : -alike;
  }

  /** How many rows a node shares with the members of a row: few means that many nodes help to rebuild a lost one. */
  overlap(row: number, node: number): number {
    let sum = 0;
    for (const other of this.rows[row]!) sum += this.shared(node, other);
    return sum;
  }

  /** `others`: the members of the row besides `node`. */
  #count(others: readonly number[], node: number, step: 1 | -1): void {
    this.memberships[node]! += step;
    for (const other of others) {
      this.#shared[node * this.nodeCount + other]! += step;
      this.#shared[other * this.nodeCount + node]! += step;
    }
  }
}
