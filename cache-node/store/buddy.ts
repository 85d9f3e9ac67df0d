/**
 * Buddy allocator over at most `2 ** orders` units, as a binary tree in one byte array: node 1 is the whole, nodes 2i
 * and 2i+1 are the halves of node i, and each node holds 1 + the order of the largest free run below it, or 0. A
 * taken node holds 0 and leaves its descendants alone, so both operations walk one path.
 */
export interface Buddy {
  /** 1 + the order of the largest free run; 0 when nothing is free. */
  readonly largest: number;
  readonly usedUnits: number;
  /** First unit of a free run of `2 ** order` units, which is now taken; -1 when there is none. */
  take(order: number): number;
  /** Like `take`, but only a run that `accepts` its first unit. Visits every free run of that order at worst. */
  takeWhere(order: number, accepts: (unit: number) => boolean): number;
  /** Undoes a `take`. */
  put(unit: number, order: number): void;
}

/** `units` may be fewer than `2 ** orders`: the rest counts as taken for ever. */
export function createBuddy(orders: number, units: number): Buddy {
  const leaves = 2 ** orders;
  if (units < 0 || units > leaves) throw new RangeError(`${units} units do not fit ${leaves}`);
  const tree = new Uint8Array(2 * leaves);
  let usedUnits = 0;

  const join = (node: number, order: number): void => {
    const left = tree[2 * node]!;
    const right = tree[2 * node + 1]!;
    tree[node] = left === order && right === order ? order + 1 : Math.max(left, right);
  };
  const joinUp = (start: number, startOrder: number): void => {
    let node = start >> 1;
    for (let order = startOrder + 1; node >= 1; order++, node >>= 1) join(node, order);
  };
  const unitOf = (node: number, order: number): number => (node << order) - leaves;
  const takeNode = (node: number, order: number): number => {
    tree[node] = 0;
    joinUp(node, order);
    usedUnits += 2 ** order;
    return unitOf(node, order);
  };

  tree.fill(1, leaves, leaves + units);
  for (let node = leaves - 1; node >= 1; node--) join(node, orders - (31 - Math.clz32(node)));

  const find = (node: number, at: number, order: number, accepts: (unit: number) => boolean): number => {
    if (tree[node]! <= order) return 0;
    if (at === order) return accepts(unitOf(node, order)) ? node : 0;
    return find(2 * node, at - 1, order, accepts) || find(2 * node + 1, at - 1, order, accepts);
  };

  return {
    get largest() {
      return tree[1]!;
    },
    get usedUnits() {
      return usedUnits;
    },
    take(order) {
      const wanted = order + 1;
      if (tree[1]! < wanted) return -1;
      let node = 1;
      for (let at = orders; at > order; at--) {
        const left = tree[2 * node]!;
        const right = tree[2 * node + 1]!;
        // Best fit: large runs are kept whole as long as a smaller one will do.
        node = left >= wanted && (right < wanted || left <= right) ? 2 * node : 2 * node + 1;
      }
      return takeNode(node, order);
    },
    takeWhere(order, accepts) {
      const node = find(1, orders, order, accepts);
      return node === 0 ? -1 : takeNode(node, order);
    },
    put(unit, order) {
      const node = (leaves + unit) >> order;
      if (tree[node] !== 0) throw new RangeError(`unit ${unit} of order ${order} is not taken`);
      tree[node] = order + 1;
      joinUp(node, order);
      usedUnits -= 2 ** order;
    },
  };
}
