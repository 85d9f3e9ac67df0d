import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type NodeId, nodeId } from "../../src/ids.ts";
import { planTarget, type TargetRows } from "../../src/placement/plan-target.ts";
import { planTransition, type RowReports } from "../../src/placement/plan-transition.ts";
import { emptyRow, type Row } from "../../src/placement/types.ts";

const ids = (...numbers: number[]): NodeId[] => numbers.map(nodeId);
const row = (nodes: NodeId[], joining: NodeId[] = [], generation = 5): Row => ({
  ...{ generation, nodes, joining, born: 1, lostJobs: 0 },
});

interface Situation {
  readonly active?: NodeId[];
  readonly draining?: NodeId[];
  readonly gone?: NodeId[];
  readonly ready?: NodeId[];
  readonly unfit?: NodeId[];
  readonly late?: NodeId[];
  readonly cuts?: [number, number][];
}

const everybody = ids(1, 2, 3, 4, 5, 6);

/** One row and its target, a step further. */
function step(from: Row, target: NodeId[], situation: Situation = {}): Row {
  const {
    active = everybody,
    draining = [],
    gone = [],
    ready = [],
    unfit = [],
    late = [],
    cuts = [],
  } = situation;
  const reports: RowReports = {
    isReady: (_group, generation, node) => generation === from.generation && ready.includes(node),
    isUnfit: (_group, generation, node) => generation === from.generation && unfit.includes(node),
    hasHeard: (_group, node) => !late.includes(node),
    isCut: (a, b) => cuts.some(([x, y]) => x === a && y === b),
  };
  const [next] = planTransition({
    ...{ rows: [from], target: [target], active, reports, highestJob: 9, joiningRowsMax: 1 },
    isAlive: (id) => active.includes(id) || draining.includes(id),
    isGone: (id) => gone.includes(id),
  });
  return next!;
}

const shape = ({ nodes, joining, generation }: Row): string =>
  `${nodes.join("")}${joining.length > 0 ? `+${joining.join("")}` : ""}:${generation}`;

describe("a row", () => {
  test("that is as it should be stays the same object", () => {
    const from = row(ids(1, 2, 3));
    expect(step(from, ids(1, 2, 3))).toBe(from);
  });

  test("changes a member by letting the new one join, become full, and the old one leave", () => {
    const joined = step(row(ids(1, 2, 3)), ids(1, 2, 4));
    expect(shape(joined)).toBe("123+4:6");
    expect(step(joined, ids(1, 2, 4))).toBe(joined);
    expect(shape(step(joined, ids(1, 2, 4), { ready: ids(4) }))).toBe("124:7");
  });

  test("passes its leading on only to a full member that knows itself to be one", () => {
    const full = step(row(ids(1, 2, 3), ids(4)), ids(4, 2, 3), { ready: ids(4) });
    expect(shape(full)).toBe("1423:6");
    expect(step(full, ids(4, 2, 3), { late: ids(4) })).toBe(full);
    expect(shape(step(full, ids(4, 2, 3)))).toBe("423:7");
  });

  test("loses the dead at once, and is led by the target's primary if that is a full member", () => {
    expect(shape(step(row(ids(1, 2, 3), ids(4)), ids(1, 2, 3), { active: ids(1, 2, 3, 5) }))).toBe("123:6");
    expect(shape(step(row(ids(1, 2, 3)), ids(3, 2, 5), { active: ids(2, 3, 5) }))).toBe("32+5:6");
    expect(shape(step(row(ids(1, 2, 3)), ids(4, 5, 6), { active: ids(3, 4, 5, 6), draining: ids(2) }))).toBe(
      "32+456:6",
    );
    expect(shape(step(row(ids(1, 2)), ids(4), { active: ids(4), draining: ids(2) }))).toBe("2+4:6");
  });

  test("of which all full members are dead stays as it is until they are gone, and is then born anew", () => {
    const from = row(ids(1, 2), ids(3));
    expect(step(from, ids(3, 4), { active: ids(3, 4), gone: ids(1) })).toBe(from);
    const born = step(from, ids(3, 4), { active: ids(3, 4), gone: ids(1, 2) });
    expect(born).toEqual({ generation: 6, nodes: ids(3, 4), joining: [], born: 6, lostJobs: 9 });
    expect(step(from, [], { active: [], gone: ids(1, 2) })).toBe(from);
  });

  test("whose primary is unfit goes to another full member; without one it is born anew", () => {
    expect(shape(step(row(ids(1, 2, 3)), ids(1, 2, 3), { unfit: ids(1) }))).toBe("23+1:6");
    const only = step(row(ids(1)), ids(1), { active: ids(1), unfit: ids(1) });
    expect(only).toEqual({ generation: 6, nodes: ids(1), joining: [], born: 6, lostJobs: 9 });
    const waits = row(ids(1, 2));
    expect(step(waits, ids(1), { active: ids(1), unfit: ids(1) })).toBe(waits);
  });

  test("is led by the member that is linked with most, so that none of them is lost", () => {
    const active = ids(1, 2, 3, 4);
    const from = row(ids(1, 2, 3));
    for (const cut of [
      [1, 3],
      [3, 1],
    ] as [number, number][]) {
      const handedOver = step(from, ids(1, 2, 3), { cuts: [cut], active });
      expect(shape(handedOver)).toBe("213:6");
      expect(step(handedOver, ids(1, 2, 3), { cuts: [cut], active })).toBe(handedOver);
      expect(shape(step(handedOver, ids(1, 2, 3), { active }))).toBe("123:7");
    }
    // One that has not heard that it is a full member might not know what it has.
    expect(shape(step(from, ids(1, 2, 3), { cuts: [[1, 3]], active, late: ids(2) }))).toBe("123+4:6");
  });

  test("keeps whom no possible primary reaches until another one has all in its place", () => {
    const cuts: [number, number][] = [
      [1, 3],
      [2, 3],
    ];
    const cut: Situation = { cuts, active: ids(1, 2, 3, 4) };
    const joined = step(row(ids(1, 2, 3)), ids(1, 2, 3), cut);
    expect(shape(joined)).toBe("123+4:6");
    const full = step(joined, ids(1, 2, 3), { ...cut, ready: ids(4) });
    expect(shape(full)).toBe("124:7");
    expect(step(full, ids(1, 2, 3), cut)).toBe(full);
    expect(shape(step(full, ids(1, 2, 3), { active: ids(1, 2, 3, 4) }))).toBe("124+3:8");
  });

  test("does not go on with a primary that is cut off from all others", () => {
    const cuts: [number, number][] = [
      [1, 2],
      [3, 1],
    ];
    expect(shape(step(row(ids(1, 2, 3)), ids(1, 2, 3), { cuts, active: ids(1, 2, 3) }))).toBe("231:6");
    const joined = step(row(ids(1, 2, 3)), ids(1, 2, 3), { cuts, active: ids(1, 2, 3, 4) });
    expect(shape(joined)).toBe("231+4:6");
    const full = step(joined, ids(1, 2, 3), { cuts, active: ids(1, 2, 3, 4), ready: ids(4) });
    expect(shape(full)).toBe("234:7");
  });

  test("of two that are cut off from each other is led by the one that is linked with others", () => {
    const pair = row(ids(1, 3));
    expect(step(pair, ids(1, 3), { cuts: [[1, 3]], active: ids(1, 3) })).toBe(pair);
    const cuts: [number, number][] = [
      [3, 1],
      [4, 1],
    ];
    const joined = step(pair, ids(1, 3), { cuts, active: ids(1, 3, 4) });
    expect(shape(joined)).toBe("31+4:6");
    expect(shape(step(joined, ids(1, 3), { cuts, active: ids(1, 3, 4), ready: ids(4) }))).toBe("34:7");
  });

  test("does not pass its leading on to a node that cannot reach the others", () => {
    const from = row(ids(1, 2, 3));
    expect(step(from, ids(3, 2, 1), { cuts: [[3, 2]] })).toBe(from);
    expect(shape(step(row(ids(1, 2, 3, 4)), ids(3, 2, 4), { cuts: [[3, 2]] }))).toBe("432:6");
  });

  test("of the largest length gives up one that is to leave for each that joins", () => {
    const many = Array.from({ length: 32 }, (_, i) => nodeId(i + 1));
    const [old, young] = [many.slice(0, 16), many.slice(16)];
    let at = row(old);
    for (let steps = 0; steps < 100 && at.nodes.join() !== young.join(); steps++) {
      at = step(at, young, { active: many, ready: [...at.joining] });
      expect(at.nodes.length + at.joining.length).toBeLessThanOrEqual(16);
      expect(at.nodes.length).toBeGreaterThanOrEqual(15);
    }
    expect(at.nodes).toEqual(young);
  });
});

test("few rows join at a time, those with the fewest members first, and all newcomers get some", () => {
  const rows = Array.from({ length: 40 }, (_, group) => row(group < 4 ? ids(1) : ids(1, 2)));
  const target: TargetRows = rows.map((_, group) => (group < 20 ? ids(1, 2, 3) : ids(1, 2, 4)));
  const next = planTransition({
    ...{ rows, target, active: everybody, highestJob: 0, joiningRowsMax: 16 },
    reports: { isReady: () => false, isUnfit: () => false, hasHeard: () => true, isCut: () => false },
    ...{ isAlive: () => true, isGone: () => false },
  });
  const joining = [...next.keys()].filter((group) => next[group]!.joining.length > 0);
  expect(joining).toHaveLength(16);
  expect(joining.slice(0, 4)).toEqual([0, 1, 2, 3]);
  const given = (id: number): number => next.filter(({ joining }) => joining.some((at) => at === id)).length;
  expect([given(3), given(4)]).toEqual([8, 8]);
});

/** A fleet of few rows whose nodes do what they are told, or die, or are told to go. */
class World {
  rows: Row[] = Array.from({ length: 12 }, () => emptyRow);
  readonly active: NodeId[] = [];
  readonly draining: NodeId[] = [];
  readonly gone = new Set<NodeId>();
  readonly ready = new Map<string, number>();
  readonly unfit = new Map<number, { generation: number; node: NodeId }>();
  readonly cuts = new Set<string>();
  readonly late = new Set<NodeId>();
  target: TargetRows | undefined;
  readonly backups: number;
  #highest = 0;

  constructor(nodes: number, backups: number) {
    this.backups = backups;
    while (this.active.length < nodes) this.join();
    this.rows = this.plan().map((nodes) => ({ generation: 1, nodes, joining: [], born: 1, lostJobs: 0 }));
  }

  join(): void {
    this.active.push(nodeId(++this.#highest));
    this.plan();
  }

  leave(from: NodeId[], at: number): NodeId | undefined {
    const [id] = from.splice(at % Math.max(1, from.length), 1);
    this.plan();
    return id;
  }

  plan(): TargetRows {
    const nodes = this.active.map((id) => ({ id, zone: "" }));
    const { rows, target: previous, backups } = this;
    this.target = planTarget({ nodes, rows, previous, backups, zonePolicy: "pack" });
    return this.target;
  }

  isAlive(id: NodeId): boolean {
    return this.active.includes(id) || this.draining.includes(id);
  }

  isReady(group: number, generation: number, id: NodeId): boolean {
    return this.ready.get(`${group} ${id}`) === generation;
  }

  /** Takes a step and checks that it is a safe one. Returns how many rows changed. */
  step(): number {
    const before = this.rows;
    const isUnfit = (group: number, generation: number, node: NodeId): boolean => {
      const told = this.unfit.get(group);
      return told?.generation === generation && told.node === node;
    };
    this.rows = planTransition({
      ...{ rows: before, target: this.target!, active: this.active, highestJob: 7, joiningRowsMax: 3 },
      isAlive: (id) => this.isAlive(id),
      isGone: (id) => this.gone.has(id),
      reports: {
        isUnfit,
        isReady: (group, generation, id) => this.isReady(group, generation, id),
        hasHeard: (_group, id) => !this.late.has(id),
        isCut: (from, to) => this.cuts.has(`${from} ${to}`),
      },
    });
    for (const [group, next] of this.rows.entries()) {
      const was = before[group]!;
      if (next === was) continue;
      const { generation } = was;
      expect(next.generation).toBe(generation + 1);
      expect(new Set([...next.nodes, ...next.joining]).size).toBe(next.nodes.length + next.joining.length);
      if (next.born !== was.born) {
        const isOver = (id: NodeId): boolean => this.gone.has(id) || isUnfit(group, generation, id);
        expect(was.nodes.every(isOver)).toBe(true);
        expect([next.born, next.lostJobs, next.joining]).toEqual([next.generation, 7, []]);
        expect(next.nodes.every((id) => this.active.includes(id))).toBe(true);
        continue;
      }
      expect(next.lostJobs).toBe(was.lostJobs);
      expect(was.nodes).toContain(next.nodes[0]);
      expect(this.isAlive(next.nodes[0]!)).toBe(true);
      const isFull = (id: NodeId): boolean => was.nodes.includes(id) || this.isReady(group, generation, id);
      expect(next.nodes.every(isFull)).toBe(true);
      expect(next.joining.every((id) => this.active.includes(id))).toBe(true);
      // Nobody who is alive and fit leaves a row that is not full otherwise, reached or not.
      const fit = was.nodes.filter((id) => this.isAlive(id) && !isUnfit(group, generation, id));
      const wanted = Math.min(this.backups + 1, this.active.length);
      expect(next.nodes.length).toBeGreaterThanOrEqual(Math.min(fit.length, wanted));
    }
    expect(this.rows.filter(({ joining }) => joining.length > 0).length).toBeLessThanOrEqual(
      Math.max(3, before.filter(({ joining }) => joining.length > 0).length),
    );
    return this.rows.filter((next, group) => next !== before[group]).length;
  }

  /** Every joining node gets ready, everybody hears, and what is broken stays as it is. */
  settle(): void {
    for (const [group, { generation, joining }] of this.rows.entries()) {
      for (const id of joining) this.ready.set(`${group} ${id}`, generation);
    }
    this.late.clear();
  }
}

const happening = fc.record({ kind: fc.nat(9), at: fc.nat(1000), to: fc.nat(1000) });

function happen(world: World, { kind, at, to }: { kind: number; at: number; to: number }): void {
  const { active, draining, rows } = world;
  if (kind === 0) world.join();
  else if (kind === 1 && active.length > 0) {
    const id = world.leave(active, at)!;
    if (to % 2 === 0) world.gone.add(id);
  } else if (kind === 2 && draining.length > 0) world.gone.add(world.leave(draining, at)!);
  else if (kind === 3 && active.length > 1) draining.push(world.leave(active, at)!);
  else if (kind === 4) {
    const group = at % rows.length;
    const { nodes, generation } = rows[group]!;
    const node = nodes[0]!;
    if (world.isAlive(node)) world.unfit.set(group, { generation, node });
  } else if (kind === 5 && active.length > 1) {
    world.cuts.add(`${active[at % active.length]!} ${active[to % active.length]!}`);
  } else if (kind === 6) world.cuts.clear();
  else if (kind === 7 && active.length > 0) world.late.add(active[at % active.length]!);
  else {
    const group = at % rows.length;
    const { generation, joining } = rows[group]!;
    for (const id of joining) if (world.isAlive(id)) world.ready.set(`${group} ${id}`, generation);
  }
}

test("whatever happens every step is safe, and in quiet times all rows reach their target", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 0, max: 3 }),
      fc.array(happening, { maxLength: 40 }),
      (nodes, backups, story) => {
        const world = new World(nodes, backups);
        for (const event of story) {
          happen(world, event);
          world.step();
        }
        // Quiet times: links are back, the dead are known to be dead, and there is somebody to have the rows.
        if (world.active.length === 0) world.join();
        world.cuts.clear();
        world.unfit.clear();
        for (const { nodes: named } of world.rows)
          for (const id of named) if (!world.isAlive(id)) world.gone.add(id);
        let steps = 0;
        do world.settle();
        while (world.step() > 0 && ++steps < 100);
        expect(steps).toBeLessThan(60);
        const leadAndSort = ([lead, ...others]: readonly NodeId[]) => [lead, ...others.sort((a, b) => a - b)];
        expect(world.rows.map(({ nodes: now }) => leadAndSort(now))).toEqual(world.target!.map(leadAndSort));
        expect(world.rows.every((next) => next.joining.length === 0)).toBe(true);
      },
    ),
    { numRuns: 150 },
  );
});
