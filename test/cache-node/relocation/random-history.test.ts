import { expect, test } from "vitest";
import { type Rng, seededRng } from "../../../src/clock.ts";
import { drawNodes } from "../../../src/placement/draw-nodes.ts";
import { decodeRef } from "../../../src/wire/ref.ts";
import { anyBytes } from "../../support/written-keys.ts";
import { FakeFleet, job } from "./fake-fleet.ts";

/**
 * Nodes die, drain and freeze, rows change hands, keys are written, overwritten and deleted, writers die before their commit,
 * and requests to free are lost. As long as no more than `p` nodes die before all is repaired, every key that is there
 * can be read at the end, each of its stripes on distinct active nodes, and nothing else is left.
 */
class History {
  readonly fleet: FakeFleet;
  readonly rng: Rng;
  readonly #code;
  #keys = 0;
  #kills = 0;
  readonly #nodesMin;

  constructor(seed: number) {
    this.rng = seededRng(seed);
    this.#code = this.#pick([
      { d: 2, p: 1 },
      { d: 3, p: 2 },
      { d: 1, p: 2 },
    ]);
    this.#nodesMin = this.#code.d + this.#code.p + 2;
    this.fleet = new FakeFleet({
      ...{ nodes: 10, seed, nodeMemoryBytes: 32 * 2 ** 20 },
      orphans: { checkMs: 500, afterMs: 5000, confirmedMs: 20_000 },
    });
    for (const { relocation } of this.fleet.nodes.values()) relocation.start();
  }

  async step(): Promise<void> {
    const { fleet } = this;
    const events = [
      () => this.#write(`k${this.#keys++}`, true),
      () => this.#write(`k${this.#keys++}`, true),
      () => this.#write(`lost${this.#keys++}`, false),
      () => this.#overwrite(),
      () => this.#remove(this.#anyKey()),
      () => this.#kill(),
      () => this.#drain(),
      () => this.#freeze(),
      () => this.#moveRow(),
      () => this.#letRepair(),
    ];
    this.#pick(events)();
    const pauses = [0, 2, 10, 50, 1000];
    await fleet.clock.advance(this.#pick(pauses));
    if (this.#kills === 0 || !fleet.settled || this.#frozen().length > 0) return;
    // Deaths count together until all that they broke is whole again.
    this.#kills = 0;
  }

  async end(): Promise<void> {
    for (const node of this.#frozen()) node.frozen = false;
    await this.fleet.relocated();
    await this.fleet.clock.advance(60_000);
    await this.fleet.relocated();
  }

  keys(): string[] {
    return [...this.fleet.cells.keys()].map((key) => key.slice(key.indexOf(" ") + 1));
  }

  #letRepair(): void {
    for (const node of this.#frozen()) node.frozen = false;
  }

  #write(key: string, committed: boolean): void {
    const { fleet } = this;
    const width = this.#code.d + this.#code.p;
    const placed = drawNodes(fleet.map, width, this.rng);
    // A writer's shards do not come to a node that does not answer.
    if (placed.some((node) => fleet.nodes.get(node)!.frozen)) return;
    const bytes = anyBytes(1 + Math.floor(this.rng.random() * 30_000));
    const coded = fleet.store(key, bytes, this.#code, [placed]);
    if (committed) fleet.commit(coded);
  }

  #overwrite(): void {
    const key = this.#anyKey();
    if (key === undefined) return;
    this.#remove(key);
    this.#write(key, true);
  }

  /** What the primary does: the key goes, and its shards are freed as far as they can be reached. */
  #remove(key: string | undefined): void {
    const { fleet } = this;
    if (key === undefined) return;
    const { object, stripes } = decodeRef(fleet.cells.get(`${job} ${key}`)!);
    fleet.delete(key);
    for (const [index, node] of stripes![0]!.entries()) {
      if (this.rng.random() < 0.2) continue;
      fleet.nodes.get(node)!.shards.free(job, { object, stripe: 0, index });
    }
  }

  #kill(): void {
    const { fleet } = this;
    if (this.#kills >= this.#code.p || this.#active().length <= this.#nodesMin) return;
    this.#kills += 1;
    fleet.change({ [this.#pick(fleet.map.nodes.filter(({ state }) => state !== "dead")).id]: "dead" });
  }

  #drain(): void {
    const draining = this.fleet.map.nodes.filter(({ state }) => state === "draining");
    if (draining.length > 0 && this.rng.random() < 0.5)
      this.fleet.change({ [draining[0]!.id]: "active" }, { [draining[0]!.id]: 100 });
    else if (this.#active().length > this.#nodesMin) {
      this.fleet.change({ [this.#pick(this.#active()).id]: "draining" });
    }
  }

  #freeze(): void {
    const living = this.fleet.living();
    if (this.#frozen().length === 0 && this.#kills === 0) this.#pick(living).frozen = true;
  }

  #moveRow(): void {
    const key = this.#anyKey();
    if (key !== undefined) this.fleet.lead(key, this.#pick(this.#active()).id);
  }

  #frozen() {
    return [...this.fleet.nodes.values()].filter(({ frozen }) => frozen);
  }

  #active() {
    return this.fleet.map.nodes.filter(({ state }) => state === "active");
  }

  #anyKey(): string | undefined {
    const keys = this.keys();
    return keys.length === 0 ? undefined : this.#pick(keys);
  }

  #pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.rng.random() * items.length)]!;
  }
}

test.each(Array.from({ length: 8 }, (_, seed) => seed + 97))("history of seed %i", async (seed) => {
  const history = new History(seed);
  for (let step = 0; step < 120; step++) await history.step();
  await history.end();
  const { fleet } = history;
  expect(history.keys().flatMap((key) => fleet.faults(key).map((fault) => `${key}: ${fault}`))).toEqual([]);
  expect(fleet.strays()).toEqual([]);
  const lost = fleet.living().flatMap(({ relocation }) => relocation.relocator.lostNames());
  expect(lost).toEqual([]);
});
